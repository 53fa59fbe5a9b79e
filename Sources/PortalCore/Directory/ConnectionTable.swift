internal import Account
internal import NIOCore
internal import TypedSodium

/// A tunnel that a client's connection asks for.
struct TunnelWish {
    let request: ConnectRequest
    /// The connection that asks, and who has proved to be there.
    let client: ConnectionID
    let caller: PublicKey
    /// How long the argument is that goes to the endpoint, which may wait for that; in bytes.
    let argumentByteCount: Int
    /// When it asks.
    let time: NIODeadline
    /// What the caller's address counts as at the machine where it is connected, where the call came over a link.
    var remoteSource: String?
}

/// The connections of a portal, and which tunnels each is an end of.
///
/// ### Invariants
/// - A tunnel is with both its connections until one of them forgets it, and found by its account as long as it is with
///   either.
/// - The places that are taken at an endpoint are those of the tunnels that it is the endpoint of.
struct ConnectionTable {
    struct Member {
        let mailbox: any RelayMailbox
        /// What the peer's address counts as.
        let source: String
        /// Who has proved to be there, once that is known.
        var peer: PublicKey?
        fileprivate(set) var tunnels: [TunnelID: PortalTunnel] = [:]
        /// Whether this is a link to another machine, and whether that takes tunnels now.
        let isLink: Bool
        fileprivate(set) var takesTunnels = true
        /// The places for tunnels to this connection, once there was one.
        fileprivate var places: EndpointPlaces?
        /// What the tunnels to this connection hold.
        fileprivate let load: EndpointLoad
    }

    /// How many tunnels one session between two machines carries, those that end there and those that begin together.
    static let linkTunnelLimit = 4_000

    private let accounts: PortalAccounts
    private let traffic: TrafficLedger
    private let tunnelLimit: Int
    private let queueByteCount: Int
    private let endpointByteCount: Int
    private var members: [ConnectionID: Member] = [:]
    private var linkCount = 0
    /// Tunnels by the id of their account.
    private var byAccount: [Int: PortalTunnel] = [:]
    private var lastConnection: UInt64 = 0
    private var lastTunnel: UInt64 = 0

    /// Nobody is there.
    init(accounts: PortalAccounts, traffic: TrafficLedger, settings: PortalSettings) {
        self.accounts = accounts
        self.traffic = traffic
        tunnelLimit = settings.tunnelLimit
        queueByteCount = settings.tunnelQueueByteCount
        endpointByteCount = settings.memoryByteCount / 4
    }

    // MARK: Connections

    /// How many connections there are, links left out.
    var count: Int { members.count - linkCount }
    var tunnelCount: Int { byAccount.count }
    /// What waits to be sent on in tunnels, in bytes of memory.
    var queuedByteCount: Int { byAccount.values.reduce(0) { $0 + $1.queuedByteCount } }
    var mailboxes: [any RelayMailbox] { members.values.map(\.mailbox) }

    /// The connections whose peers have proved who they are.
    var peers: [(connection: ConnectionID, peer: PublicKey)] {
        members.compactMap { connection, member in member.peer.map { (connection, $0) } }
    }

    subscript(connection: ConnectionID) -> Member? { members[connection] }

    /// How many connections, and ends of tunnels, each of these keys has; those without a connection are left out.
    func presences(of keys: Set<PublicKey>) -> [PublicKey: PortalPresence] {
        var presences: [PublicKey: PortalPresence] = [:]
        for member in members.values {
            guard let peer = member.peer, keys.contains(peer) else { continue }
            presences[peer, default: PortalPresence()].connectionCount += 1
            presences[peer, default: PortalPresence()].tunnelCount += member.tunnels.count
        }
        return presences
    }

    func mailbox(of connection: ConnectionID) -> (any RelayMailbox)? { members[connection]?.mailbox }

    mutating func add(_ mailbox: any RelayMailbox, from source: String) -> ConnectionID {
        lastConnection += 1
        let id = ConnectionID(lastConnection)
        members[id] = Member(
            mailbox: mailbox, source: source, isLink: false,
            load: EndpointLoad(limitByteCount: endpointByteCount))
        return id
    }

    /// Adds a link to another machine, which may hold twice what one endpoint may.
    mutating func addLink(_ mailbox: any RelayMailbox) -> ConnectionID {
        lastConnection += 1
        linkCount += 1
        let id = ConnectionID(lastConnection)
        members[id] = Member(
            mailbox: mailbox, source: "another machine", isLink: true,
            load: EndpointLoad(limitByteCount: 2 * endpointByteCount))
        return id
    }

    /// A link takes tunnels from now on, or does not.
    mutating func setLink(_ link: ConnectionID, takesTunnels: Bool) {
        members[link]?.takesTunnels = takesTunnels
    }

    /// A peer has proved who it is.
    mutating func admit(_ peer: PublicKey, on connection: ConnectionID) {
        members[connection]?.peer = peer
    }

    /// Forgets a connection; the tunnels that it was an end of.
    mutating func remove(_ connection: ConnectionID) -> [PortalTunnel] {
        let member = members.removeValue(forKey: connection)
        if member?.isLink == true { linkCount -= 1 }
        let tunnels = member?.tunnels.values.sorted { $0.id < $1.id } ?? []
        for tunnel in tunnels { forgetAccount(of: tunnel, goneFrom: connection) }
        return tunnels
    }

    // MARK: Tunnels come and go

    /// Joins two connections by a tunnel; with it the one that has to go for it, which is forgotten.
    ///
    /// Where `remote` is given the other connection is a link to the machine at which that is announced.
    /// - Throws: ``ConnectRefusal``.
    mutating func open(
        _ wish: TunnelWish, to endpoint: ConnectionID, reaching remote: PublicKey? = nil,
        under policy: PortalPolicy
    ) throws(ConnectRefusal) -> (PortalTunnel, displaced: PortalTunnel?) {
        guard let near = members[wish.client], let far = members[endpoint], far.takesTunnels else {
            throw remote == nil ? .unreachable(wish.request.targetText) : .notReachable
        }
        guard let target = remote ?? far.peer, policy.letsAnnounce(target) else {
            throw .unreachable(wish.request.targetText)
        }
        // At either end of a link as many; a caller at another machine hears of that what is said of a full endpoint.
        guard near.tunnels.count < (near.isLink ? Self.linkTunnelLimit : tunnelLimit) else {
            throw near.isLink ? .busy : .tooManyTunnels
        }
        let source = wish.remoteSource ?? near.source
        // What passes two machines is counted by the one that the caller is connected to.
        let meters =
            wish.remoteSource == nil
            ? try traffic.meters(
                caller: wish.caller, endpoint: target, from: source, under: policy, at: wish.time)
            : TrafficMeters()
        let causer = PortalAccounts.Causer(
            of: wish.caller, standing: policy.standing(of: wish.caller), calling: wish.request.target,
            from: source)
        let account = accounts.account(of: causer, on: wish.client).open()
        guard let charge = account.charge(PortalTunnel.costByteCount(wish.argumentByteCount)) else {
            throw .busy
        }
        let displaced = try takePlace(at: endpoint, for: causer)
        let cause = PortalTunnel.Cause(
            causer: causer, source: source, account: account, charge: charge, load: far.load,
            meters: meters)
        lastTunnel += 1
        let id = TunnelID(lastTunnel)
        let tunnel = PortalTunnel(
            id: id,
            client: PortalTunnel.End(
                connection: wish.client, peer: wish.caller, mailbox: near.mailbox,
                flow: makeFlow(id, cause, isFilledByLink: far.isLink)),
            endpoint: PortalTunnel.End(
                connection: endpoint, peer: target, mailbox: far.mailbox,
                flow: makeFlow(id, cause, isFilledByLink: near.isLink)),
            cause: cause)
        members[wish.client]?.tunnels[id] = tunnel
        members[endpoint]?.tunnels[id] = tunnel
        byAccount[account.id] = tunnel
        return (tunnel, displaced)
    }

    private func makeFlow(
        _ tunnel: TunnelID, _ cause: PortalTunnel.Cause, isFilledByLink: Bool
    ) -> TunnelFlow {
        TunnelFlow(
            tunnel: tunnel, account: cause.account, causer: accounts.account(of: cause.causer),
            load: cause.load, meters: cause.meters, limitByteCount: queueByteCount,
            grantsCredit: isFilledByLink)
    }

    /// Takes a place at an endpoint; the tunnel that has to go for it, which is forgotten at once.
    private mutating func takePlace(
        at endpoint: ConnectionID, for causer: PortalAccounts.Causer
    ) throws(ConnectRefusal) -> PortalTunnel? {
        let isLink = members[endpoint]?.isLink == true
        var places =
            members[endpoint]?.places
            ?? EndpointPlaces(
                limit: isLink ? Self.linkTunnelLimit : tunnelLimit,
                causerLimit: isLink ? Self.linkTunnelLimit / 8 : EndpointPlaces.causerLimit)
        let outcome = places.take(for: causer)
        members[endpoint]?.places = places
        switch outcome {
        case .taken: return nil
        case .busy: throw .busy
        case .instead(let other):
            let newest = tunnels(to: endpoint).filter { $0.cause.causer == other }.max { $0.id < $1.id }
            guard let newest else { throw .busy }
            forget(newest.id, on: newest.client.connection)
            forget(newest.id, on: endpoint)
            newest.close()
            guard members[endpoint]?.places?.take(for: causer) == .taken else { throw .busy }
            return newest
        }
    }

    /// A connection is no end of the tunnel any more.
    mutating func forget(_ tunnel: TunnelID, on connection: ConnectionID) {
        guard let gone = members[connection]?.tunnels.removeValue(forKey: tunnel) else { return }
        if gone.endpoint.connection == connection {
            members[connection]?.places?.release(for: gone.cause.causer)
        }
        forgetAccount(of: gone, goneFrom: connection)
    }

    /// Forgets whose account it was once both ends are gone.
    private mutating func forgetAccount(of tunnel: PortalTunnel, goneFrom connection: ConnectionID) {
        let far = tunnel.end(acrossFrom: connection).connection
        if members[far]?.tunnels[tunnel.id] == nil { byAccount[tunnel.cause.account.id] = nil }
    }

    // MARK: Memory

    /// The tunnels that a connection is the endpoint of.
    func tunnels(to endpoint: ConnectionID) -> [PortalTunnel] {
        members[endpoint]?.tunnels.values.filter { $0.endpoint.connection == endpoint } ?? []
    }

    /// The tunnel of those that contend for memory whose account holds most of it.
    func largest(in contention: Account) -> PortalTunnel? {
        contention.largestLeafID { byAccount[$0] != nil }.flatMap { byAccount[$0] }
    }
}

/// How much somebody has at a portal at a moment.
package struct PortalPresence: Equatable, Sendable {
    /// How many connections.
    package var connectionCount = 0
    /// How many ends of tunnels.
    package var tunnelCount = 0

    /// Nothing.
    package init() {}
}

/// Which connection of a portal is meant; numbers are never used twice.
package struct ConnectionID: Hashable, Comparable, Sendable {
    /// The number.
    package let value: UInt64

    /// The connection with this number.
    package init(_ value: UInt64) { self.value = value }

    /// The older connection comes first.
    package static func < (left: ConnectionID, right: ConnectionID) -> Bool {
        left.value < right.value
    }
}
