internal import NIOCore
internal import Relay
public import SecretHandshake
public import Sodium
internal import Synchronization
public import Tunnel

/// What the connections of one portal share, on whichever event loops they live.
///
/// Everything that has to be decided at once (who is announced, which tunnels a connection is an end of) stands
/// behind one lock that is held for a look-up; no packet of a tunnel passes it.
public final class Portal: Sendable {
    /// Numbers for an operator and for tests.
    public struct Statistics: Equatable, Sendable {
        /// How many connections there are, handshakes included.
        public var connectionCount: Int
        /// How many tunnels have at least one end.
        public var tunnelCount: Int
        /// How many bytes wait to be sent on.
        public var queuedByteCount: Int
        /// How many tokens are announced.
        public var tokenCount: Int
    }

    /// What an announcement or its end asks to be posted.
    struct Notices {
        var isDone: Bool
        var replaced: (any RelayMailbox)?
        var awakened: [any RelayMailbox]
    }

    private struct Tables {
        var policy: PortalPolicy
        var directory: PortalDirectory
        var members: [ConnectionID: Member] = [:]
        var connectionCount: UInt64 = 0
        var tunnelCount: UInt64 = 0
    }

    private struct Member {
        let mailbox: any RelayMailbox
        /// Who has proved to be there, once that is known.
        var peer: PublicKey?
        var tunnels: [TunnelID: PortalTunnel] = [:]
    }

    /// Who the portal is.
    public let identity: Identity
    /// Which network it serves.
    public let network: NetworkIdentifier
    /// Name, clock and limits.
    public let settings: PortalSettings

    let budget: MemoryBudget
    private let tables: Mutex<Tables>

    /// A portal without connections.
    public init(identity: Identity, network: NetworkIdentifier, settings: PortalSettings) {
        self.identity = identity
        self.network = network
        self.settings = settings
        budget = MemoryBudget(limitByteCount: settings.memoryByteCount)
        tables = Mutex(
            Tables(policy: settings.policy, directory: PortalDirectory(limits: settings.tokenLimits)))
    }

    /// The numbers of this moment.
    public var statistics: Statistics {
        tables.withLock { tables in
            Statistics(
                connectionCount: tables.members.count,
                tunnelCount: Set(tables.members.values.flatMap(\.tunnels.keys)).count,
                queuedByteCount: budget.usedByteCount, tokenCount: tables.directory.hidden.tokenCount)
        }
    }

    // MARK: Policy

    /// Who may do what.
    public var policy: PortalPolicy { tables.withLock(\.policy) }

    /// Puts another policy in force at once.
    ///
    /// Connections that are not admitted any more are closed, announcements that are not permitted any more taken
    /// back, and calls of those who may not call any more ended.
    public func update(_ policy: PortalPolicy) {
        let mailboxes = tables.withLock { tables -> [any RelayMailbox] in
            guard tables.policy != policy else { return [] }
            tables.policy = policy
            return tables.members.values.map(\.mailbox)
        }
        for mailbox in mailboxes { mailbox.post(.policyChanged) }
    }

    /// Lets a peer in that has proved who it is, or not.
    func admit(_ peer: PublicKey, on connection: ConnectionID) -> Bool {
        tables.withLock { tables in
            guard tables.policy.admits(peer) else { return false }
            tables.members[connection]?.peer = peer
            return true
        }
    }

    // MARK: Connections

    func register(_ mailbox: any RelayMailbox) -> ConnectionID {
        tables.withLock { tables in
            tables.connectionCount += 1
            let id = ConnectionID(tables.connectionCount)
            tables.members[id] = Member(mailbox: mailbox)
            return id
        }
    }

    /// Forgets a connection; its tunnels, and what is to be posted.
    ///
    /// Whether its stream was open already or not: a tunnel is registered at both ends before either knows it, so
    /// none is left behind when a connection ends while the request for it is under way.
    func unregister(_ connection: ConnectionID, of peer: PublicKey?) -> (tunnels: [PortalTunnel], Notices) {
        tables.withLock { tables in
            let member = tables.members.removeValue(forKey: connection)
            let outcome = tables.directory.connectionClosed(connection, of: peer)
            let tunnels = member?.tunnels.values.sorted { $0.id < $1.id } ?? []
            return (tunnels, Self.notices(outcome, in: tables))
        }
    }

    /// Whether a connection is no end of a tunnel and has announced nothing.
    func isIdle(_ connection: ConnectionID) -> Bool {
        tables.withLock { tables in
            guard let member = tables.members[connection] else { return true }
            let isAnnounced = member.peer.map { tables.directory.connection(of: .id($0)) == connection }
            return member.tunnels.isEmpty && isAnnounced != true
                && !tables.directory.hidden.isHidden(connection)
        }
    }

    // MARK: Announcements

    func announce(
        _ peer: PublicKey, on connection: ConnectionID, _ manner: PortalDirectory.Manner
    ) throws(AnnounceRefusal) -> Notices {
        try tables.withLock { tables throws(AnnounceRefusal) in
            guard tables.policy.letsAnnounce(peer) else { throw .membersOnly }
            return Self.notices(tables.directory.announce(peer, on: connection, manner), in: tables)
        }
    }

    func announce(
        _ announcement: HiddenAnnouncement, of peer: PublicKey, on connection: ConnectionID,
        from source: String
    ) throws(AnnounceRefusal) -> Notices {
        try tables.withLock { tables throws(AnnounceRefusal) in
            guard tables.policy.letsAnnounce(peer) else { throw .membersOnly }
            let outcome = try tables.directory.announce(
                announcement, of: peer, on: connection, from: source)
            return Self.notices(outcome, in: tables)
        }
    }

    func isHidden(_ connection: ConnectionID) -> Bool {
        tables.withLock { $0.directory.hidden.isHidden(connection) }
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
            return (hasTooMany ? .tooManyTokens : .membersOnly, Self.notices(outcome, in: tables))
        }
    }

    func leave(_ peer: PublicKey, on connection: ConnectionID) -> Notices {
        tables.withLock { tables in
            Self.notices(tables.directory.leave(peer, on: connection), in: tables)
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

    private static func notices(_ outcome: PortalDirectory.Outcome, in tables: borrowing Tables) -> Notices {
        Notices(
            isDone: outcome.isDone,
            replaced: outcome.replaced.flatMap { tables.members[$0]?.mailbox },
            awakened: outcome.awakened.compactMap { tables.members[$0]?.mailbox })
    }

    // MARK: Tunnels

    /// Joins a client's connection to the one on which its target is announced.
    ///
    /// - Throws: ``ConnectRefusal``.
    func openTunnel(
        _ request: ConnectRequest, from client: ConnectionID, of caller: PublicKey
    ) throws(ConnectRefusal) -> PortalTunnel {
        let opened = tables.withLock { tables -> Result<PortalTunnel, ConnectRefusal> in
            guard tables.policy.letsCall(caller) else { return .failure(.membersOnly) }
            // Absent, hidden, unknown: whatever is not to be found ends here.
            guard let endpoint = tables.directory.connection(of: request.target),
                let near = tables.members[client], let far = tables.members[endpoint],
                let target = far.peer, tables.policy.letsAnnounce(target),
                far.tunnels.count < settings.tunnelLimit
            else { return .failure(.unreachable(request.targetText)) }
            // By one of its own tokens, which no key in the request shows.
            guard endpoint != client else { return .failure(.toSelf) }
            guard near.tunnels.count < settings.tunnelLimit else { return .failure(.tooManyTunnels) }
            tables.tunnelCount += 1
            let id = TunnelID(tables.tunnelCount)
            let tunnel = PortalTunnel(
                id: id,
                client: PortalTunnel.End(
                    connection: client, peer: caller, mailbox: near.mailbox, flow: makeFlow(for: id)),
                endpoint: PortalTunnel.End(
                    connection: endpoint, peer: target, mailbox: far.mailbox, flow: makeFlow(for: id)))
            tables.members[client]?.tunnels[id] = tunnel
            tables.members[endpoint]?.tunnels[id] = tunnel
            return .success(tunnel)
        }
        return try opened.get()
    }

    /// A connection is no end of the tunnel any more.
    func forget(_ tunnel: TunnelID, on connection: ConnectionID) {
        _ = tables.withLock { $0.members[connection]?.tunnels.removeValue(forKey: tunnel) }
    }

    /// Finds what the memory budget has cut.
    func tunnels(_ ids: [TunnelID]) -> [PortalTunnel] {
        tables.withLock { tables in
            ids.compactMap { id in tables.members.values.lazy.compactMap { $0.tunnels[id] }.first }
        }
    }

    private func makeFlow(for tunnel: TunnelID) -> TunnelFlow {
        budget.makeFlow(for: tunnel, limitByteCount: settings.tunnelQueueByteCount)
    }
}
