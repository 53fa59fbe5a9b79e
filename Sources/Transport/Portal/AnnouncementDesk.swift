internal import Account
internal import MuxRPC
internal import NIOCore
internal import Sodium
internal import Synchronization
internal import Tunnel

/// A hidden announcement that waits to be read.
struct AnnouncementJob: Sendable {
    /// The tokens as they came.
    enum Tokens {
        case read([JSONValue])
        /// The body of the call.
        case unread(ByteBuffer)
    }

    let connection: ConnectionID
    /// The call that waits for the answer.
    let call: RequestNumber
    let tokens: Tokens
    /// What the peer's address counts as.
    let source: String
    /// What the tokens take: as JSON at first, then where they are kept.
    let charge: Charge
}

/// What waits to be done about hidden announcements, off the event loops: one at a time, in turns by source.
///
/// A connection has one at most under way, so no more wait than there are connections.
struct AnnouncementDesk: Sendable {
    private var waiting = Turns<String, AnnouncementJob>(limit: .max)
    /// The announcement whose tokens are being inserted.
    var inserting: AnnouncementJob?
    /// Whether somebody is at work, and sees what is put here.
    private var isManned = false

    mutating func add(_ job: AnnouncementJob) { _ = waiting.append(job, of: job.source) }

    mutating func next() -> AnnouncementJob? { waiting.popFirst()?.element }

    /// Whether somebody has to be called to work.
    mutating func man() -> Bool {
        defer { isManned = true }
        return !isManned
    }

    mutating func leave() { isManned = false }
}

/// How hidden announcements are carried out.
///
/// Their order with everything else is that of the portal's lock: one whose connection has ended, or has taken its
/// announcement back, finds nothing to go on with.
extension Portal {
    private enum Step {
        case done([Post])
        case read(AnnouncementJob, limit: Int)
        case nothing
    }

    private typealias Post = (message: RelayMessage, mailbox: any RelayMailbox)

    /// Takes a hidden announcement, which is answered by ``RelayMessage/announced(_:_:)``; whether somebody has to be
    /// called to ``work()``.
    func announceLater(_ job: AnnouncementJob) -> Bool {
        tables.withLock { tables in
            tables.desk.add(job)
            return tables.desk.man()
        }
    }

    /// Does the next piece of what waits; whether there may be more.
    ///
    /// To be called off the event loops, by one caller at a time. Others have the lock between two pieces, each of which takes some tens of microseconds.
    public func work() -> Bool {
        switch tables.withLock({ nextStep(in: &$0) }) {
        case .done(let posts): for post in posts { post.mailbox.post(post.message) }
        case .read(let job, let limit):
            for post in read(job, limit: limit) { post.mailbox.post(post.message) }
        case .nothing: return false
        }
        return true
    }

    private func nextStep(in tables: inout Tables) -> Step {
        // First of all, so that what is gone takes no memory beside what comes.
        if tables.directory.hidden.hasLeaving {
            tables.directory.forgetTokens(settings.tokenLimits.sliceCount)
            return .done([])
        }
        if let job = tables.desk.inserting { return .done(insert(job, in: &tables)) }
        guard let job = tables.desk.next() else {
            tables.desk.leave()
            return .nothing
        }
        guard let peer = tables.members[job.connection]?.peer else { return .done([]) }
        return .read(job, limit: settings.tokenLimits.count(for: tables.policy.standing(of: peer)))
    }

    /// Reads the tokens, under no lock, and begins to insert them.
    private func read(_ job: AnnouncementJob, limit: Int) -> [Post] {
        do throws(AnnounceRefusal) {
            let tokens =
                switch job.tokens {
                case .read(let tokens): tokens
                case .unread(let body): try PortalCall.tokens(unread: body)
                }
            let announcement = try HiddenAnnouncement(tokens, limit: limit)
            // It is less, so there is room.
            _ = job.charge.change(to: announcement.count * HiddenDirectory.tokenByteCount)
            return try tables.withLock { tables throws(AnnounceRefusal) in
                try begin(announcement, job, in: &tables)
            }
        } catch {
            let mailbox = tables.withLock { $0.members[job.connection]?.mailbox }
            return mailbox.map { [(.announced(job.call, .refused(error)), $0)] } ?? []
        }
    }

    private func begin(
        _ announcement: HiddenAnnouncement, _ job: AnnouncementJob, in tables: inout Tables
    ) throws(AnnounceRefusal) -> [Post] {
        guard let member = tables.members[job.connection], let peer = member.peer else { return [] }
        guard tables.policy.letsAnnounce(peer) else { throw .membersOnly }
        // It may be another since the tokens were read.
        let standing = tables.policy.standing(of: peer)
        guard announcement.count <= settings.tokenLimits.count(for: standing) else { throw .tooManyTokens }
        let announcer = HiddenDirectory.Announcer(
            job.connection, key: peer, source: job.source, isMember: standing == .member)
        switch try tables.directory.begin(announcement, by: announcer, charge: job.charge) {
        case .unchanged:
            return [(.announced(job.call, .unchanged), member.mailbox)]
        case .comes(let dropped):
            tables.desk.inserting = job
            return dropped.compactMap { tables.members[$0]?.mailbox }.map { (.tokensDropped, $0) }
        }
    }

    private func insert(_ job: AnnouncementJob, in tables: inout Tables) -> [Post] {
        guard !tables.directory.insertTokens(settings.tokenLimits.sliceCount, on: job.connection) else {
            return []
        }
        tables.desk.inserting = nil
        guard let member = tables.members[job.connection], let peer = member.peer else { return [] }
        let outcome = tables.directory.finishTokens(of: peer, on: job.connection)
        // It was taken back while it came: by the policy, or for somebody who had less.
        guard outcome.isDone else {
            let refusal = tables.policy.letsAnnounce(peer) ? AnnounceRefusal.tooManyTokens : .membersOnly
            return [(.announced(job.call, .refused(refusal)), member.mailbox)]
        }
        let awakened = outcome.awakened.compactMap { tables.members[$0]?.mailbox }
        return [(.announced(job.call, .done), member.mailbox)] + awakened.map { (.attendanceChanged, $0) }
    }

    // MARK: In the open

    /// Announces a peer openly.
    ///
    /// - Throws: ``AnnounceRefusal/membersOnly``.
    func announce(
        _ peer: PublicKey, on connection: ConnectionID, _ manner: PortalDirectory.Manner
    ) throws(AnnounceRefusal) -> Notices {
        try tables.withLock { tables throws(AnnounceRefusal) in
            guard tables.policy.letsAnnounce(peer) else { throw .membersOnly }
            return notices(tables.directory.announce(peer, on: connection, manner), in: &tables)
        }
    }

    func isHidden(_ connection: ConnectionID) -> Bool {
        tables.withLock { $0.directory.hidden.isHidden(connection) }
    }

    func isAnnounced(_ peer: PublicKey, on connection: ConnectionID) -> Bool {
        tables.withLock { $0.directory.isAnnounced(peer, on: connection) }
    }

    /// Takes back what a peer has announced and may not announce any more; the reason, where there is one.
    func endUnpermitted(
        _ peer: PublicKey, on connection: ConnectionID
    ) -> (AnnounceRefusal, Notices)? {
        tables.withLock { tables in
            let limit = settings.tokenLimits.count(for: tables.policy.standing(of: peer))
            let hasTooMany = tables.directory.hidden.tokenCount(of: connection) > limit
            guard hasTooMany || !tables.policy.letsAnnounce(peer) else { return nil }
            let outcome = tables.directory.leave(peer, on: connection)
            guard outcome.isDone else { return nil }
            return (hasTooMany ? .tooManyTokens : .membersOnly, notices(outcome, in: &tables))
        }
    }

    func leave(_ peer: PublicKey, on connection: ConnectionID) -> Notices {
        tables.withLock { tables in
            notices(tables.directory.leave(peer, on: connection), in: &tables)
        }
    }

    /// What a subscriber has missed, and the version that it knows then.
    func update(
        for subscriber: ConnectionID, since version: Int?
    ) -> (PortalDirectory.Update, version: Int) {
        tables.withLock { tables in
            let update = tables.directory.update(for: subscriber, since: version)
            return (update, tables.directory.attendance.version)
        }
    }

    /// What follows from a call of the directory.
    func notices(_ outcome: PortalDirectory.Outcome, in tables: inout Tables) -> Notices {
        Notices(
            outcome: outcome,
            overtaken: outcome.overtaken.flatMap { tables.members[$0]?.mailbox },
            replaced: outcome.replaced.flatMap { tables.members[$0]?.mailbox },
            awakened: outcome.awakened.compactMap { tables.members[$0]?.mailbox },
            callsForWork: tables.directory.hidden.hasLeaving && tables.desk.man())
    }
}
