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
        var outcome: PortalDirectory.Outcome
        var replaced: (any RelayMailbox)?
        var awakened: [any RelayMailbox]
        /// Whether somebody has to be called to ``work()``.
        var callsForWork: Bool
    }

    /// What the lock guards.
    struct Tables {
        var policy: PortalPolicy
        var directory: PortalDirectory
        var desk = AnnouncementDesk()
        var members: [ConnectionID: Member] = [:]
        var connectionCount: UInt64 = 0
        var tunnelCount: UInt64 = 0
    }

    struct Member {
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

    /// Who pays for the memory that peers make the portal hold.
    let accounts: PortalAccounts
    let budget: MemoryBudget
    let tables: Mutex<Tables>

    /// A portal without connections.
    public init(identity: Identity, network: NetworkIdentifier, settings: PortalSettings) {
        self.identity = identity
        self.network = network
        self.settings = settings
        accounts = PortalAccounts(byteCount: settings.memoryByteCount)
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
            return (tunnels, notices(outcome, in: &tables))
        }
    }

    // MARK: Tunnels

    /// Joins a client's connection to the first on which its target is announced, or to the first of `candidates`;
    /// the tunnel, and the connections that can be asked next.
    ///
    /// - Throws: ``ConnectRefusal``.
    func openTunnel(
        _ request: ConnectRequest, from client: ConnectionID, of caller: PublicKey,
        among candidates: [ConnectionID]? = nil
    ) throws(ConnectRefusal) -> (tunnel: PortalTunnel, others: [ConnectionID]) {
        let opened = tables.withLock { tables -> Result<(PortalTunnel, [ConnectionID]), ConnectRefusal> in
            guard tables.policy.letsCall(caller) else { return .failure(.membersOnly) }
            let found =
                candidates
                ?? tables.directory.connections(of: request.target, provedBy: request.announcer)
            var others = found.filter { $0 != client }
            // By one of its own tokens, which no key in the request shows.
            guard found.isEmpty || !others.isEmpty else { return .failure(.toSelf) }
            // Absent, hidden, unknown: whatever is not to be found ends here.
            guard let near = tables.members[client],
                let (endpoint, far, target) = takeFirst(of: &others, in: tables)
            else { return .failure(.unreachable(request.targetText)) }
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
            return .success((tunnel, others))
        }
        return try opened.get()
    }

    /// The first connection that can be asked; it and those in front of it are taken out.
    private func takeFirst(
        of candidates: inout [ConnectionID], in tables: borrowing Tables
    ) -> (ConnectionID, Member, PublicKey)? {
        while !candidates.isEmpty {
            let candidate = candidates.removeFirst()
            if let member = tables.members[candidate], let peer = member.peer,
                tables.policy.letsAnnounce(peer), member.tunnels.count < settings.tunnelLimit
            {
                return (candidate, member, peer)
            }
        }
        return nil
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
