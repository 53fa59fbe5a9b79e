internal import Account
internal import NIOCore
package import SecretHandshake
internal import Synchronization
package import TypedSodium

/// What the connections of one portal share, on whichever event loops they live.
///
/// Everything that has to be decided at once (who is announced, which tunnels a connection is an end of) stands
/// behind one lock that is held for a look-up; no packet of a tunnel passes it.
package final class Portal: Sendable {
    private struct Tables {
        var policy: PortalPolicy
        var connections: ConnectionTable
        var announcements: AnnouncementDesk
    }

    /// A tunnel that was opened.
    struct OpenedTunnel {
        let tunnel: PortalTunnel
        /// The tunnel that has to go for it.
        var displaced: PortalTunnel?
        /// The connections that can be asked next, where this one refuses.
        var others: [ConnectionID] = []
    }

    typealias Notices = AnnouncementDesk.Notices

    /// Who the portal is.
    package let identity: Identity
    /// Which network it serves.
    package let network: NetworkIdentifier
    /// Name, clock and limits.
    package let settings: PortalSettings

    /// Who pays for the memory that peers make the portal hold.
    let accounts: PortalAccounts
    /// What passes through tunnels in this month, and for whom.
    package let traffic: TrafficLedger
    /// What is counted.
    let counters = PortalCounters()
    private let tables: Mutex<Tables>
    /// Held while other machines are told what has changed, so that they are told in order; taken before the tables'.
    private let telling = Mutex(())

    /// A portal without connections.
    package init(identity: Identity, network: NetworkIdentifier, settings: PortalSettings) {
        self.identity = identity
        self.network = network
        self.settings = settings
        let accounts = PortalAccounts(byteCount: settings.memoryByteCount)
        self.accounts = accounts
        let seconds = UInt64(max(0, settings.wallClock()) / 1000)
        let traffic = TrafficLedger(settings.traffic, month: CalendarMonth(unixSeconds: seconds))
        self.traffic = traffic
        tables = Mutex(
            Tables(
                policy: settings.policy,
                connections: ConnectionTable(accounts: accounts, traffic: traffic, settings: settings),
                announcements: AnnouncementDesk(
                    limits: settings.tokenLimits, hasNeighbours: settings.neighbours != nil)))
    }

    /// The numbers of this moment, and those since the portal began.
    package var metrics: PortalMetrics {
        var metrics = counters.metrics
        tables.withLock { tables in
            metrics.connectionCount = tables.connections.count
            metrics.tunnelCount = tables.connections.tunnelCount
            metrics.queuedByteCount = tables.connections.queuedByteCount
            metrics.tokenCount = tables.announcements.tokenCount
            metrics.announcedCount = tables.announcements.idCount
        }
        metrics.heldByteCount = accounts.pool.heldCount
        metrics.holdableByteCount = settings.memoryByteCount
        return metrics
    }

    /// What has happened since the portal began: ``metrics`` without the numbers of the moment, and so without a look at
    /// every tunnel.
    package var totals: PortalMetrics { counters.metrics }

    /// How many connections and tunnels there are at this moment.
    package var load: (connectionCount: Int, tunnelCount: Int) {
        tables.withLock { ($0.connections.count, $0.connections.tunnelCount) }
    }

    /// The ids that are announced, sorted, and how many connections have announced tokens.
    package var attendance: (ids: [String], hiddenCount: Int) {
        tables.withLock { ($0.announcements.ids, $0.announcements.hiddenCount) }
    }

    /// Counts a connection that came at a limit, which those decide who accept it.
    package func count(_ limit: PortalMetrics.Limit) {
        counters.count { $0.limitedConnections[limit, default: 0] += 1 }
    }

    /// What each of these keys has here at this moment; those without a connection are left out.
    package func presences(of keys: Set<PublicKey>) -> [PublicKey: PortalPresence] {
        tables.withLock { $0.connections.presences(of: keys) }
    }

    // MARK: Policy

    /// Who may do what.
    package var policy: PortalPolicy { tables.withLock(\.policy) }

    /// Puts another policy in force at once.
    ///
    /// Connections that are not admitted any more are closed, announcements that are not permitted any more taken
    /// back, and calls of those who may not call any more ended.
    package func update(_ policy: PortalPolicy) {
        let mailboxes = tables.withLock { tables -> [any RelayMailbox] in
            guard tables.policy != policy else { return [] }
            tables.policy = policy
            return tables.connections.mailboxes
        }
        for mailbox in mailboxes { mailbox.post(.policyChanged) }
    }

    // MARK: Connections

    func register(_ mailbox: any RelayMailbox, from source: String) -> ConnectionID {
        counters.count { $0.acceptedCount += 1 }
        return tables.withLock { $0.connections.add(mailbox, from: source) }
    }

    /// A link to another machine stands, on which tunnels can be opened.
    func registerLink(_ mailbox: any RelayMailbox) -> ConnectionID {
        tables.withLock { $0.connections.addLink(mailbox) }
    }

    /// A link takes tunnels from now on, or does not.
    func setLink(_ link: ConnectionID, takesTunnels: Bool) {
        tables.withLock { $0.connections.setLink(link, takesTunnels: takesTunnels) }
    }

    /// Lets a peer in that has proved who it is, or not.
    func admit(_ peer: PublicKey, on connection: ConnectionID) -> Bool {
        tables.withLock { tables in
            guard tables.policy.admits(peer) else { return false }
            tables.connections.admit(peer, on: connection)
            return true
        }
    }

    /// Forgets a connection; its tunnels, and what is to be posted.
    ///
    /// Whether its stream was open already or not: a tunnel is registered at both ends before either knows it, so
    /// none is left behind when a connection ends while the request for it is under way.
    func unregister(_ connection: ConnectionID, of peer: PublicKey?) -> (
        tunnels: [PortalTunnel], Notices
    ) {
        defer { tellNeighbours() }
        return tables.withLock { tables in
            let tunnels = tables.connections.remove(connection)
            let notices = tables.announcements.connectionClosed(
                connection, of: peer, among: tables.connections)
            return (tunnels, notices)
        }
    }

    /// Whether a connection is no end of a tunnel and has announced nothing.
    package func isIdle(_ connection: ConnectionID) -> Bool {
        tables.withLock { tables in
            guard let member = tables.connections[connection] else { return true }
            let isAnnounced =
                member.peer.map { tables.announcements.isAnnounced($0, on: connection) } ?? false
            return member.tunnels.isEmpty && !isAnnounced && !tables.announcements.isHidden(connection)
        }
    }

    // MARK: Announcements

    /// Announces a peer openly.
    ///
    /// - Throws: ``AnnounceRefusal/membersOnly``.
    func announce(
        _ peer: PublicKey, on connection: ConnectionID, _ manner: PortalDirectory.Manner
    ) throws(AnnounceRefusal) -> Notices {
        defer { tellNeighbours() }
        return try tables.withLock { tables throws(AnnounceRefusal) in
            guard tables.policy.letsAnnounce(peer) else { throw .membersOnly }
            return tables.announcements.announce(peer, on: connection, manner, among: tables.connections)
        }
    }

    func isHidden(_ connection: ConnectionID) -> Bool {
        tables.withLock { $0.announcements.isHidden(connection) }
    }

    func isAnnounced(_ peer: PublicKey, on connection: ConnectionID) -> Bool {
        tables.withLock { $0.announcements.isAnnounced(peer, on: connection) }
    }

    /// Takes back what a peer has announced and may not announce any more; the reason, where there is one.
    func endUnpermitted(_ peer: PublicKey, on connection: ConnectionID) -> (AnnounceRefusal, Notices)? {
        defer { tellNeighbours() }
        return tables.withLock { tables in
            tables.announcements.endUnpermitted(
                peer, on: connection, among: tables.connections, under: tables.policy)
        }
    }

    func leave(_ peer: PublicKey, on connection: ConnectionID) -> Notices {
        defer { tellNeighbours() }
        return tables.withLock { $0.announcements.leave(peer, on: connection, among: $0.connections) }
    }

    /// What a subscriber has missed, and the version that it knows then.
    func update(
        for subscriber: ConnectionID, since version: Int?
    ) -> (PortalDirectory.Update, version: Int) {
        tables.withLock { $0.announcements.update(for: subscriber, since: version) }
    }

    /// Takes a hidden announcement, which is answered by ``RelayMessage/announced(_:_:)``; whether somebody has to be
    /// called to ``work()``.
    func announceLater(_ job: AnnouncementJob) -> Bool {
        tables.withLock { $0.announcements.add(job) }
    }

    /// Does the next piece of what waits; whether there may be more.
    ///
    /// To be called off the event loops, by one caller at a time. Others have the lock between two pieces, each of which takes some tens of microseconds.
    package func work() -> Bool {
        defer { tellNeighbours() }
        let step = tables.withLock { $0.announcements.work(among: $0.connections, under: $0.policy) }
        switch step {
        case .done(let posts): for post in posts { post.mailbox.post(post.message) }
        case .read(let job, let limit):
            for post in read(job, limit: limit) { post.mailbox.post(post.message) }
        case .nothing: return false
        }
        return true
    }

    /// Reads the tokens, under no lock, and begins to insert them.
    private func read(_ job: AnnouncementJob, limit: Int) -> [AnnouncementDesk.Post] {
        do throws(AnnounceRefusal) {
            let announcement = try job.read(limit: limit)
            return try tables.withLock { tables throws(AnnounceRefusal) in
                try tables.announcements.begin(
                    announcement, job, among: tables.connections, under: tables.policy)
            }
        } catch {
            let mailbox = tables.withLock { $0.connections.mailbox(of: job.connection) }
            return mailbox.map { [(.announced(job.call, .refused(error)), $0)] } ?? []
        }
    }

    // MARK: Other machines

    /// Looks at who is announced, under the portal's lock.
    func look<Result>(_ body: (PortalDirectory, ConnectionTable) -> Result) -> Result {
        tables.withLock { body($0.announcements.directory, $0.connections) }
    }

    /// Changes who is announced, under the portal's lock; others are told what follows.
    func withDirectory<Result>(
        _ body: (inout PortalDirectory, ConnectionTable) -> Result
    ) -> Result {
        defer { tellNeighbours() }
        return tables.withLock { body(&$0.announcements.directory, $0.connections) }
    }

    private func tellNeighbours() {
        guard let neighbours = settings.neighbours else { return }
        telling.withLock { _ in
            for change in tables.withLock({ $0.announcements.directory.takeNeighbourChanges() }) {
                switch change {
                case .announced(let peer, let manner): neighbours.announced(peer, manner)
                case .left(let peer): neighbours.left(peer)
                }
            }
        }
    }

    // MARK: Tunnels

    /// Joins a client's connection to the first on which its target is announced, or to the first of `candidates`.
    ///
    /// - Throws: ``ConnectRefusal``.
    func openTunnel(
        _ wish: TunnelWish, among candidates: [ConnectionID]? = nil
    ) throws(ConnectRefusal) -> OpenedTunnel {
        try tables.withLock { tables throws(ConnectRefusal) in
            guard tables.policy.letsCall(wish.caller) else { throw .membersOnly }
            let found = candidates ?? tables.announcements.connections(for: wish.request)
            var others = found.filter { $0 != wish.client }[...]
            // By one of its own tokens, which no key in the request shows.
            guard found.isEmpty || !others.isEmpty else { throw .toSelf }
            // Absent, hidden, unknown: whatever is not to be found ends here.
            var refusal = ConnectRefusal.unreachable(wish.request.targetText)
            while let endpoint = others.popFirst() {
                do throws(ConnectRefusal) {
                    let (tunnel, displaced) = try tables.connections.open(
                        wish, to: endpoint, under: tables.policy)
                    return OpenedTunnel(tunnel: tunnel, displaced: displaced, others: Array(others))
                } catch {
                    refusal = error
                }
            }
            throw refusal
        }
    }

    /// Joins a client's connection to an endpoint at another machine, over a link to that.
    ///
    /// - Throws: ``ConnectRefusal``.
    func openTunnel(
        _ wish: TunnelWish, over link: ConnectionID, to endpoint: PublicKey
    ) throws(ConnectRefusal) -> OpenedTunnel {
        try tables.withLock { tables throws(ConnectRefusal) in
            guard tables.policy.letsCall(wish.caller) else { throw .membersOnly }
            let (tunnel, displaced) = try tables.connections.open(
                wish, to: link, reaching: endpoint, under: tables.policy)
            return OpenedTunnel(tunnel: tunnel, displaced: displaced)
        }
    }

    /// A connection is no end of the tunnel any more.
    func forget(_ tunnel: TunnelID, on connection: ConnectionID) {
        tables.withLock { $0.connections.forget(tunnel, on: connection) }
    }

    /// The tunnel that has to give way where there is no memory for more of a tunnel: one that holds much more in the
    /// name of a causer that holds much more, and otherwise the tunnel itself.
    func tunnel(givingWayTo tunnel: PortalTunnel, for byteCount: Int) -> PortalTunnel {
        let account = tunnel.cause.account
        guard let contention = account.contention(for: byteCount) else { return tunnel }
        let victim = tables.withLock { $0.connections.largest(in: contention) }
        guard let victim, account.outweighs(victim.cause.account, with: byteCount),
            victim.pledge(byteCount)
        else { return tunnel }
        return victim
    }

    /// The tunnel that has to go because its endpoint's tunnels hold too much: the largest of the largest caller.
    func largestTunnel(at endpoint: ConnectionID) -> PortalTunnel? {
        let tunnels = tables.withLock { $0.connections.tunnels(to: endpoint) }
        let byCauser = Dictionary(
            grouping: tunnels.map { ($0, $0.queuedByteCount) }, by: \.0.cause.causer)
        let caller = byCauser.values.max { left, right in
            left.reduce(0) { $0 + $1.1 } < right.reduce(0) { $0 + $1.1 }
        }
        return caller?.max { ($0.1, $1.0.id) < ($1.1, $0.0.id) }?.0
    }
}
