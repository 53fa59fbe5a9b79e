import Blinding
import Invitation
import Keyring
import Multiserver
import Node
import TestSupport
import Testing
import Tunnel
import TypedSodium

/// Portals that have moved: several hosts of one key, and those that the command line names.
@Suite("A resolver of portals that move")
struct DirectoryHostTests {
    private let folder: TemporaryFolder
    private let identity: Identity
    private let target: PublicKey
    private let keyring: Keyring
    private let key: PublicKey
    private let shownKey: PublicKey
    private let now = WallClock.seconds()

    init() throws {
        folder = try TemporaryFolder()
        identity = try .random()
        target = try Identity.random().publicKey
        key = try Identity.random().publicKey
        shownKey = try Identity.random().publicKey
        keyring = try Keyring(
            folder: folder.path, owner: EndpointKey(identity.publicKey), now: WallClock.seconds())
    }

    private func address(_ host: String, _ key: PublicKey? = nil) throws -> PeerAddress {
        PeerAddress(net: try NetAddress(host: host, port: 1), key: key ?? self.key)
    }

    private func place(_ host: String, isOpen: Bool = false) throws -> PortalAddress {
        try PortalAddress(key: PortalKey(key), host: host, port: 1, isOpen: isOpen, shownKey: shownKey)
    }

    private func befriend(isOpen: Bool = false) throws {
        try keyring.friends.addReach(
            to: EndpointKey(target), name: "home", portals: [place("granted", isOpen: isOpen)])
    }

    private func ways(_ named: [PeerAddress] = [], to text: String = "home") throws -> [Route.Way] {
        let resolver = RouteResolver(identity: identity, keyring: keyring, portals: named, named: named)
        let destination = try resolver.destination(named: text)
        guard case .tunnel(_, let ways) = try resolver.route(to: destination) else { return [] }
        return ways
    }

    @Test("tries the hosts that its owner has named beside the one that the friend did, each by its author")
    func sideBySide() throws {
        try befriend()
        try keyring.portals.add(place("mine"), isAnnounced: false, now: now)
        try keyring.portals.add(place("granted"), isAnnounced: false, now: now)
        try keyring.portals.add(place("other"), isAnnounced: false, now: now)
        let ways = try ways()
        #expect(try ways.map(\.portal) == [address("granted"), address("mine"), address("other")])
        #expect(ways.map(\.author) == [.owner, .owner, .owner])
        #expect(ways.allSatisfy { $0.pair != nil && $0.shownKey == shownKey })
        _ = try keyring.portals.removeHost(place("granted"))
        // The friend's word is none of ours.
        #expect(try self.ways().map(\.author) == [.others, .owner, .owner])
    }

    @Test("does not take a host of the owner's for another key")
    func otherKey() throws {
        try befriend()
        let other = try PortalAddress(key: PortalKey(shownKey), host: "mine", port: 1, isOpen: false)
        try keyring.portals.add(other, now: now)
        #expect(try ways().map(\.portal) == [address("granted")])
    }

    @Test("tries first where the friend was last reached")
    func lastPlace() throws {
        try befriend()
        try keyring.portals.add(place("mine"), isAnnounced: false, now: now)
        try keyring.friends.markSeen(target, at: PortalPlace(key: key, host: "mine", port: 1), now: now)
        #expect(try ways().map(\.portal) == [address("mine"), address("granted")])
        // A place that is none of the friend's any more is not tried.
        try keyring.friends.markSeen(target, at: PortalPlace(key: key, host: "gone", port: 1), now: now)
        #expect(try ways().map(\.portal) == [address("granted"), address("mine")])
    }

    @Test("takes what the command line names instead, for a name another portal too, and asks by token there")
    func overridden() throws {
        try befriend()
        try keyring.portals.add(place("mine"), now: now)
        let moved = try address("moved")
        #expect(try ways([moved]).map(\.portal) == [moved])
        #expect(try ways([moved]).map(\.author) == [.owner])
        #expect(try ways([moved]).allSatisfy { $0.pair != nil && $0.shownKey == shownKey })
        let another = try address("another", shownKey)
        let both = try ways([moved, another])
        #expect(both.map(\.portal) == [moved, another])
        #expect(
            both[1].pair != nil && both[1].shownKey == nil, "nobody has said that the friend is open there")
    }

    @Test("asks by id at another host of a portal where the friend is open")
    func open() throws {
        try befriend(isOpen: true)
        #expect(try ways([address("moved")]).allSatisfy { $0.pair == nil })
        #expect(try ways([address("another", shownKey)]).allSatisfy { $0.pair != nil })
    }

    @Test("takes what the command line names for addresses of every form, and refuses another key")
    func addresses() throws {
        try befriend()
        let value = Hmac1Value(target: EndpointKey(target), portal: PortalKey(key))
        let blinded = BlindedAddress.hmac1(value.bytes, try TunnelTarget(key: target))
        let plain = try TunnelAddress(portal: key, target: target)
        let another = try address("another", shownKey)
        for text in ["\(blinded)", "\(plain)"] {
            #expect(try ways([address("moved"), another], to: text).map(\.portal) == [address("moved")])
            #expect(throws: DestinationError.otherPortal(key)) { try ways([another], to: text) }
        }
        let strangers = try TunnelAddress(portal: key, target: shownKey)
        #expect(try ways([address("moved")], to: "\(strangers)").map(\.portal) == [address("moved")])
        #expect(throws: DestinationError.otherPortal(key)) { try ways([another], to: "\(strangers)") }
    }
}
