internal import Account
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
        /// What waits to be sent on in tunnels, in bytes of memory.
        public var queuedByteCount: Int
        /// What all accounts hold, in bytes, that drawn ahead included.
        public var heldByteCount: Int
        /// How many tokens are announced.
        public var tokenCount: Int
    }

    /// What an announcement or its end asks to be posted.
    struct Notices {
        var outcome: PortalDirectory.Outcome
        var overtaken: (any RelayMailbox)?
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
        /// Tunnels by the id of their account.
        var byAccount: [Int: PortalTunnel] = [:]
        var connectionCount: UInt64 = 0
        var tunnelCount: UInt64 = 0
    }

    struct Member {
        let mailbox: any RelayMailbox
        /// What the peer's address counts as.
        let source: String
        /// Who has proved to be there, once that is known.
        var peer: PublicKey?
        var tunnels: [TunnelID: PortalTunnel] = [:]
        /// The places for tunnels to this connection, once there was one.
        var places: EndpointPlaces?
        /// What the tunnels to this connection hold.
        let load: EndpointLoad
    }

    /// Who the portal is.
    public let identity: Identity
    /// Which network it serves.
    public let network: NetworkIdentifier
    /// Name, clock and limits.
    public let settings: PortalSettings

    /// Who pays for the memory that peers make the portal hold.
    let accounts: PortalAccounts
    let tables: Mutex<Tables>

    /// A portal without connections.
    public init(identity: Identity, network: NetworkIdentifier, settings: PortalSettings) {
        self.identity = identity
        self.network = network
        self.settings = settings
        accounts = PortalAccounts(byteCount: settings.memoryByteCount)
        tables = Mutex(
            Tables(policy: settings.policy, directory: PortalDirectory(limits: settings.tokenLimits)))
    }

    /// The numbers of this moment.
    public var statistics: Statistics {
        tables.withLock { tables in
            Statistics(
                connectionCount: tables.members.count, tunnelCount: tables.byAccount.count,
                queuedByteCount: tables.byAccount.values.reduce(0) { $0 + $1.queuedByteCount },
                heldByteCount: accounts.pool.heldCount, tokenCount: tables.directory.hidden.tokenCount)
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

    func register(_ mailbox: any RelayMailbox, from source: String) -> ConnectionID {
        tables.withLock { tables in
            tables.connectionCount += 1
            let id = ConnectionID(tables.connectionCount)
            tables.members[id] = Member(
                mailbox: mailbox, source: source,
                load: EndpointLoad(limitByteCount: settings.memoryByteCount / 4))
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
            for tunnel in tunnels { tables.forgetAccount(of: tunnel, goneFrom: connection) }
            return (tunnels, notices(outcome, in: &tables))
        }
    }

    /// Whether a connection is no end of a tunnel and has announced nothing.
    func isIdle(_ connection: ConnectionID) -> Bool {
        tables.withLock { tables in
            guard let member = tables.members[connection] else { return true }
            let isAnnounced = member.peer.map { tables.directory.isAnnounced($0, on: connection) } ?? false
            return member.tunnels.isEmpty && !isAnnounced && !tables.directory.hidden.isHidden(connection)
        }
    }
}
