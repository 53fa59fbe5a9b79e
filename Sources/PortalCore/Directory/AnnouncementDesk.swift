internal import Account
internal import MuxRPC
internal import NIOCore
internal import TypedSodium

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

    /// Reads the tokens, which takes some milliseconds: under no lock.
    func read(limit: Int) throws(AnnounceRefusal) -> HiddenAnnouncement {
        let values =
            switch tokens {
            case .read(let values): values
            case .unread(let body): try AnnounceRequest.tokens(unread: body)
            }
        let announcement = try HiddenAnnouncement(values, limit: limit)
        // It is less, so there is room.
        _ = charge.change(to: announcement.count * HiddenDirectory.tokenByteCount)
        return announcement
    }
}

/// Who is announced at a portal, and the hidden announcements that wait to be carried out, off the event loops: one at a
/// time, in turns by source.
///
/// A connection has one at most under way, so no more wait than there are connections. Their order with everything else
/// is that of the portal's lock: one whose connection has ended, or has taken its announcement back, finds nothing to go
/// on with.
struct AnnouncementDesk {
    typealias Post = (message: RelayMessage, mailbox: any RelayMailbox)

    /// What follows from a change of the directory.
    struct Notices {
        var outcome: PortalDirectory.Outcome
        var overtaken: (any RelayMailbox)?
        var replaced: (any RelayMailbox)?
        var awakened: [any RelayMailbox]
        /// Whether somebody has to be called to ``Portal/work()``.
        var callsForWork: Bool
    }

    /// The next piece of work.
    enum Step {
        /// It is done: this is to be posted.
        case done([Post])
        /// Tokens are to be read, up to a limit; ``begin(_:_:among:under:)`` goes on.
        case read(AnnouncementJob, limit: Int)
        case nothing
    }

    private let limits: TokenLimits
    /// Who can be reached; changed from outside only by what other machines say.
    var directory: PortalDirectory
    private var waiting = Turns<String, AnnouncementJob>(limit: .max)
    /// The announcement whose tokens are being inserted.
    private var inserting: AnnouncementJob?
    /// Whether somebody is at work, and sees what is put here.
    private var isManned = false

    /// Nobody is announced.
    init(limits: TokenLimits, hasNeighbours: Bool) {
        self.limits = limits
        directory = PortalDirectory(limits: limits, hasNeighbours: hasNeighbours)
    }

    // MARK: Looking

    /// How many tokens are announced.
    var tokenCount: Int { directory.hidden.tokenCount }

    /// How many ids are announced.
    var idCount: Int { ids.count }

    /// The ids, sorted.
    var ids: [String] { directory.attendance.ids }

    /// How many connections have announced tokens.
    var hiddenCount: Int { directory.hidden.connectionCount }

    /// The connections on which the target of a request can be reached, the one to be asked first in front.
    func connections(for request: ConnectRequest) -> [ConnectionID] {
        directory.connections(of: request.target, provedBy: request.announcer)
    }

    func isHidden(_ connection: ConnectionID) -> Bool { directory.hidden.isHidden(connection) }

    func isAnnounced(_ peer: PublicKey, on connection: ConnectionID) -> Bool {
        directory.isAnnounced(peer, on: connection)
    }

    /// What a subscriber has missed, and the version that it knows then.
    mutating func update(
        for subscriber: ConnectionID, since version: Int?
    ) -> (PortalDirectory.Update, version: Int) {
        (directory.update(for: subscriber, since: version), directory.attendance.version)
    }

    // MARK: In the open

    /// Announces a peer openly that may do so.
    mutating func announce(
        _ peer: PublicKey, on connection: ConnectionID, _ manner: PortalDirectory.Manner,
        among connections: ConnectionTable
    ) -> Notices {
        notices(directory.announce(peer, on: connection, manner), among: connections)
    }

    mutating func leave(
        _ peer: PublicKey, on connection: ConnectionID, among connections: ConnectionTable
    ) -> Notices {
        notices(directory.leave(peer, on: connection), among: connections)
    }

    /// Takes back what a peer has announced and may not announce any more; the reason, where there is one.
    mutating func endUnpermitted(
        _ peer: PublicKey, on connection: ConnectionID, among connections: ConnectionTable,
        under policy: PortalPolicy
    ) -> (AnnounceRefusal, Notices)? {
        let limit = limits.count(for: policy.standing(of: peer))
        let hasTooMany = directory.hidden.tokenCount(of: connection) > limit
        guard hasTooMany || !policy.letsAnnounce(peer) else { return nil }
        let outcome = directory.leave(peer, on: connection)
        guard outcome.isDone else { return nil }
        return (hasTooMany ? .tooManyTokens : .membersOnly, notices(outcome, among: connections))
    }

    /// A connection is over.
    mutating func connectionClosed(
        _ connection: ConnectionID, of peer: PublicKey?, among connections: ConnectionTable
    ) -> Notices {
        notices(directory.connectionClosed(connection, of: peer), among: connections)
    }

    private mutating func notices(
        _ outcome: PortalDirectory.Outcome, among connections: ConnectionTable
    ) -> Notices {
        Notices(
            outcome: outcome,
            overtaken: outcome.overtaken.flatMap { connections.mailbox(of: $0) },
            replaced: outcome.replaced.flatMap { connections.mailbox(of: $0) },
            awakened: outcome.awakened.compactMap { connections.mailbox(of: $0) },
            callsForWork: directory.hidden.hasLeaving && man())
    }

    // MARK: Hidden

    /// Lets an announcement wait; whether somebody has to be called to work.
    mutating func add(_ job: AnnouncementJob) -> Bool {
        _ = waiting.append(job, of: job.source)
        return man()
    }

    private mutating func man() -> Bool {
        defer { isManned = true }
        return !isManned
    }

    /// Does the next piece of what waits, or says what is to be read for it.
    mutating func work(among connections: ConnectionTable, under policy: PortalPolicy) -> Step {
        // First of all, so that what is gone takes no memory beside what comes.
        if directory.hidden.hasLeaving {
            directory.forgetTokens(limits.sliceCount)
            return .done([])
        }
        if let job = inserting { return .done(insert(job, among: connections, under: policy)) }
        guard let job = waiting.popFirst()?.element else {
            isManned = false
            return .nothing
        }
        guard let peer = connections[job.connection]?.peer else { return .done([]) }
        return .read(job, limit: limits.count(for: policy.standing(of: peer)))
    }

    /// The tokens of an announcement are read: begins to insert them.
    mutating func begin(
        _ announcement: HiddenAnnouncement, _ job: AnnouncementJob, among connections: ConnectionTable,
        under policy: PortalPolicy
    ) throws(AnnounceRefusal) -> [Post] {
        guard let member = connections[job.connection], let peer = member.peer else { return [] }
        guard policy.letsAnnounce(peer) else { throw .membersOnly }
        // It may be another since the tokens were read.
        let standing = policy.standing(of: peer)
        guard announcement.count <= limits.count(for: standing) else { throw .tooManyTokens }
        let announcer = HiddenDirectory.Announcer(
            job.connection, key: peer, source: job.source, isMember: standing == .member)
        switch try directory.begin(announcement, by: announcer, charge: job.charge) {
        case .unchanged:
            return [(.announced(job.call, .unchanged), member.mailbox)]
        case .comes(let dropped):
            inserting = job
            return dropped.compactMap { connections.mailbox(of: $0) }.map { (.tokensDropped, $0) }
        }
    }

    private mutating func insert(
        _ job: AnnouncementJob, among connections: ConnectionTable, under policy: PortalPolicy
    ) -> [Post] {
        guard !directory.insertTokens(limits.sliceCount, on: job.connection) else { return [] }
        inserting = nil
        guard let member = connections[job.connection], let peer = member.peer else { return [] }
        let outcome = directory.finishTokens(of: peer, on: job.connection)
        // It was taken back while it came: by the policy, or for somebody who had less.
        guard outcome.isDone else {
            let refusal = policy.letsAnnounce(peer) ? AnnounceRefusal.tooManyTokens : .membersOnly
            return [(.announced(job.call, .refused(refusal)), member.mailbox)]
        }
        let awakened = outcome.awakened.compactMap { connections.mailbox(of: $0) }
        return [(.announced(job.call, .done), member.mailbox)]
            + awakened.map { (.attendanceChanged, $0) }
    }
}
