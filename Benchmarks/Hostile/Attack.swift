internal import Multiserver
internal import Synchronization
internal import TypedSodium

/// What an attack has to do with: a portal and an endpoint that everybody may call, beside an honest pair.
struct Battlefield: Sendable {
    /// Where the portal is.
    let portal: PeerAddress
    /// The endpoint of the honest pair, which is a friend to everybody.
    let endpoint: PublicKey
    private let stopped = Flag()

    init(portal: PeerAddress, endpoint: PublicKey) {
        self.portal = portal
        self.endpoint = endpoint
    }

    /// Whether the attack is to end.
    var isOver: Bool { stopped.value.load(ordering: .relaxed) }

    /// Ends the attack.
    func stop() { stopped.value.store(true, ordering: .relaxed) }

    private final class Flag: Sendable {
        let value = Atomic(false)
    }
}

/// What an attack has cost its maker.
struct Spent: Sendable {
    /// Bytes that it has sent.
    var byteCount = 0
    /// Connections that it has held at once.
    var connectionCount = 0
    /// Something worth telling.
    var remark: String?

    init() {}

    init(_ connections: [HostileConnection], remark: String? = nil) {
        byteCount = connections.reduce(0) { $0 + $1.sentByteCount }
        connectionCount = connections.count
        self.remark = remark
    }
}

/// Something that one peer does to take the service from others.
struct Attack: Sendable {
    /// Whose memory it is after.
    enum Victim: String, Sendable {
        case portal, endpoint
    }

    /// What it is, for the table.
    let name: String
    /// Whose memory is watched.
    let victim: Victim
    /// Does it until the battlefield is over; blocks.
    let run: @Sendable (Battlefield) throws -> Spent

    /// The list of issue and accounts: first those against the portal, then those against an endpoint.
    static let all = PortalAttacks.all + EndpointAttacks.all
    /// What takes more descriptors than a system lets a process have without being asked.
    static let long = PortalAttacks.long
}
