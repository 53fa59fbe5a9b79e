internal import Account
package import NIOCore
internal import Synchronization
package import TypedSodium

/// Who pays for what an endpoint holds, over its connections to all portals.
///
/// Process ← friends ← the invite they came by ← key ← session ← what the session holds. Beside the friends stand the
/// holders of invites, the strangers of an endpoint that lets anyone in, the portals, and whom this node has called
/// itself. A session is the portal's until its proof is right, then the key's, by whatever portal it came.
///
/// Thread-safe: the connections of one endpoint live on several event loops.
package final class EndpointAccounts: Sendable {
    /// How large the pools are.
    package struct Limits: Sendable {
        /// Memory in bytes.
        package var bytes = 64 << 20
        /// Sessions of others that stand: eight each for 512 friends.
        package var sessions = 4096
        /// Inner handshakes that are not finished; each costs us two key agreements, and a proof.
        package var handshakes = 256
        /// Open streams.
        package var streams = 16_384
        /// Sockets of services.
        package var descriptors = 896

        /// The pools of a small machine.
        package init() {}
    }

    /// Who somebody is in these books.
    package enum Party: Hashable, Sendable {
        /// A friend, and the first invite that it came by; `nil` for one whom the owner has let in by its id.
        case friend(PublicKey, invite: PublicKey?)
        /// The holder of an invite.
        case invite(PublicKey)
        /// Somebody at an endpoint that lets anyone in.
        case stranger(PublicKey)
        /// A portal, with those behind it who have not proved who they are.
        case portal(PublicKey)
        /// Whom this node has called.
        case called(PublicKey)

        /// The key of whoever it is.
        package var key: PublicKey {
            switch self {
            case .friend(let key, _), .invite(let key), .stranger(let key), .portal(let key),
                .called(let key):
                key
            }
        }

        var isInvite: Bool {
            if case .invite = self { true } else { false }
        }
    }

    /// Somebody who has sessions at this endpoint, over all its connections.
    package struct Visit: Sendable {
        /// Who it is.
        package let party: Party
        /// How many sessions it has.
        package let sessionCount: Int
        /// Since when the first of them stands.
        package let since: NIODeadline
    }

    private enum Group: Hashable {
        case friends, invites, strangers, portals, called
        case invitedBy(PublicKey)
    }

    private enum Place: Hashable {
        case party(Party)
        case group(Group)
    }

    private struct Known {
        let ordinal: UInt64
        weak var payer: Payer?
    }

    private struct Books {
        var known: [Place: Known] = [:]
        var lastOrdinal: UInt64 = 0
    }

    /// How many sessions one friend may have.
    package static let friendSessionLimit = 64
    /// How many sessions one invite may have, each until the answer to its `invite.use`.
    package static let inviteSessionLimit = 16
    /// How much one friend's packets may take that have not come whole, with answers that are not read, in bytes.
    package static let friendPendingByteCount = 1 << 20
    /// The same of one invite: what 16 sessions need.
    package static let invitePendingByteCount = 256 << 10
    /// How many streams one friend may have open, over all its sessions.
    package static let friendStreamLimit = 256

    /// How large the pools are.
    package let limits: Limits
    /// What happens at all connections together.
    package let counters = NodeCounters()
    let handshakes: HandshakePlaces
    let sessions = SessionPlaces()
    let holdings = Holdings()
    private let process: Payer
    private let books = Mutex(Books())
    private let lastConnection = Atomic<UInt64>(0)
    private let listeners = Mutex<[ConnectionNumber: @Sendable (Displaced) -> Void]>([:])

    /// Empty books.
    package init(_ limits: Limits = Limits()) {
        self.limits = limits
        handshakes = HandshakePlaces(limit: limits.handshakes)
        process = Payer(
            bytes: .bytes(limit: limits.bytes), sessions: .places(limit: limits.sessions),
            streams: .places(limit: limits.streams), descriptors: .places(limit: limits.descriptors))
    }

    /// What is held by all together, in bytes.
    package var heldByteCount: Int { process.bytes.heldCount }

    /// How many inner handshakes are not finished, and refusals not yet told.
    package var handshakeCount: Int { handshakes.count }

    /// How many sessions of others stand.
    package var sessionCount: Int { sessions.count }

    /// The numbers of this moment, and those since the node began.
    package var metrics: NodeMetrics {
        var metrics = counters.metrics
        metrics.sessionCount = sessionCount
        metrics.handshakeCount = handshakeCount
        metrics.heldByteCount = heldByteCount
        metrics.holdableByteCount = limits.bytes
        return metrics
    }

    /// Who has sessions, in no order.
    package var visits: [Visit] { sessions.visits }

    /// Who pays for somebody; the same payer for as long as anybody holds it.
    package func payer(for party: Party) -> Payer {
        books.withLock { books in
            payer(at: .party(party), in: &books) { books in
                switch party {
                case .friend(_, let invite?): (group(.invitedBy(invite), in: &books), Self.friendCeiling)
                case .friend(_, nil): (group(.friends, in: &books), Self.friendCeiling)
                case .invite: (group(.invites, in: &books), Self.inviteCeiling)
                case .stranger: (group(.strangers, in: &books), strangerCeiling)
                case .portal: (group(.portals, in: &books), Payer.Ceiling())
                case .called: (group(.called, in: &books), Payer.Ceiling())
                }
            }
        }
    }

    // MARK: Connections

    func makeConnectionNumber() -> ConnectionNumber {
        ConnectionNumber(rawValue: lastConnection.wrappingAdd(1, ordering: .relaxed).newValue)
    }

    /// Has a connection listen for what has to give way on it; called on any thread.
    package func listen(
        on connection: ConnectionNumber, giveWay: @escaping @Sendable (Displaced) -> Void
    ) {
        listeners.withLock { $0[connection] = giveWay }
    }

    /// A connection is over.
    package func forget(_ connection: ConnectionNumber) {
        let former = listeners.withLock { $0.removeValue(forKey: connection) }
        withExtendedLifetime(former) {}  // what it holds is released behind the lock
    }

    /// Tells the connection on which something has to give way, as ``NodeOutput/giveWay(_:)`` asks for.
    package func tell(_ displaced: Displaced) {
        let listener = listeners.withLock { $0[displaced.connection] }
        listener?(displaced)
    }

    // MARK: Payers

    private func group(_ group: Group, in books: inout Books) -> Payer {
        payer(at: .group(group), in: &books, sharedByMany: true) { books in
            switch group {
            case .invitedBy: (self.group(.friends, in: &books), Payer.Ceiling())
            // Neither those who may only redeem, nor strangers, nor portals leave friends without.
            case .invites: (process, part(4))
            case .strangers, .portals: (process, part(2))
            case .friends, .called: (process, Payer.Ceiling())
            }
        }
    }

    /// Finds who is known, or opens an account where `above` says; nothing known is released under the lock.
    private func payer(
        at place: Place, in books: inout Books, sharedByMany: Bool = false,
        above: (inout Books) -> (Payer, Payer.Ceiling)
    ) -> Payer {
        if let payer = books.known[place]?.payer { return payer }
        let (parent, ceiling) = above(&books)
        books.lastOrdinal += 1
        let ordinal = books.lastOrdinal
        let payer = parent.open(ceiling, sharedByMany: sharedByMany) { [weak self] in
            self?.forget(place, ordinal)
        }
        books.known[place] = Known(ordinal: ordinal, payer: payer)
        return payer
    }

    private func forget(_ place: Place, _ ordinal: UInt64) {
        books.withLock { books in
            // Another may have taken the place already.
            if books.known[place]?.ordinal == ordinal { books.known[place] = nil }
        }
    }

    /// A part of each pool, as a divisor.
    private func part(_ divisor: Int) -> Payer.Ceiling {
        var ceiling = Payer.Ceiling()
        ceiling.bytes = limits.bytes / divisor
        ceiling.sessions = limits.sessions / divisor
        ceiling.streams = limits.streams / divisor
        ceiling.descriptors = limits.descriptors / divisor
        return ceiling
    }

    private static var friendCeiling: Payer.Ceiling {
        var ceiling = Payer.Ceiling()
        ceiling.pending = friendPendingByteCount
        ceiling.sessions = friendSessionLimit
        ceiling.streams = friendStreamLimit
        return ceiling
    }

    private static var inviteCeiling: Payer.Ceiling {
        var ceiling = Payer.Ceiling()
        ceiling.pending = invitePendingByteCount
        ceiling.sessions = inviteSessionLimit
        return ceiling
    }

    /// As a friend's, and a quarter of the memory at most.
    private var strangerCeiling: Payer.Ceiling {
        var ceiling = Self.friendCeiling
        ceiling.bytes = limits.bytes / 4
        return ceiling
    }
}
