import Blinding
import Invitation
import Keyring
import Multiserver
import Node
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("Directory")
struct DirectoryTests {
    private let folder: TemporaryFolder
    private let identity: Identity
    private let keyring: Keyring
    private let portal: PeerAddress
    private let friend: Identity
    private let now = WallClock.seconds()

    init() throws {
        folder = try TemporaryFolder()
        identity = try Identity.random()
        friend = try Identity.random()
        keyring = try Keyring(
            folder: folder.path, owner: EndpointKey(identity.publicKey), now: WallClock.seconds())
        portal = PeerAddress(net: try NetAddress(host: "a", port: 1), key: try Identity.random().publicKey)
    }

    private var target: PublicKey { friend.publicKey }

    private func resolver(_ keyring: Keyring?, portals: [PeerAddress] = []) -> RouteResolver {
        RouteResolver(identity: identity, keyring: keyring, portals: portals)
    }

    private func known(
        isOpen: Bool = false, host: String = "a", shownKey: PublicKey? = nil
    ) throws -> PortalAddress {
        try PortalAddress(
            key: PortalKey(portal.key), host: host, port: 1, isOpen: isOpen, shownKey: shownKey)
    }

    private func befriend(isOpen: Bool = false) throws {
        try keyring.friends.addReach(
            to: EndpointKey(target), name: "home", portals: [try known(isOpen: isOpen)])
    }

    private func ways(_ route: Route) -> [Route.Way] {
        guard case .tunnel(_, let ways) = route else { return [] }
        return ways
    }

    @Test("goes straight to a peer, and through the portal that a tunnel address names")
    func plain() throws {
        let resolver = resolver(nil, portals: [portal])
        #expect(try resolver.destination(named: "\(portal)") == .peer(portal))
        let tunnel = try TunnelAddress(portal: portal.key, target: target)
        let destination = try resolver.destination(named: "\(tunnel)")
        #expect(destination == .announced(tunnel, through: portal))
        let way = try #require(ways(try resolver.route(to: destination)).first)
        #expect(way.portal == portal && way.pair == nil)
    }

    @Test("refuses a tunnel address whose portal is not known")
    func unknownPortal() throws {
        let tunnel = try TunnelAddress(portal: target, target: portal.key)
        #expect(throws: DestinationError.noPortal) {
            try resolver(nil).destination(named: "\(tunnel)")
        }
        #expect(throws: DestinationError.otherPortal(target)) {
            try resolver(nil, portals: [portal]).destination(named: "\(tunnel)")
        }
    }

    @Test("finds a friend by name and by id, and asks for it by token alone")
    func friends() throws {
        try befriend()
        for text in ["home", target.id] {
            let destination = try resolver(keyring).destination(named: text)
            #expect(destination == .friend(target, at: nil))
            let way = try #require(ways(try resolver(keyring).route(to: destination)).first)
            #expect(way.portal == portal && way.pair != nil)
        }
    }

    @Test("carries the instance that an address shows, or that is chosen beside it")
    func instances() throws {
        try befriend()
        let resolver = resolver(keyring, portals: [portal])
        let hidden = try resolver.destination(
            named: "\(TunnelAddress(portal: portal.key, target: target, instance: 3))")
        #expect(hidden == .friend(target, at: portal.key, instance: 3))
        #expect(ways(try resolver.route(to: hidden)).map(\.instance) == [3])
        let value = Hmac1Value(target: EndpointKey(target), portal: PortalKey(portal.key)).bytes
        let blinded = BlindedAddress.hmac1(value, try TunnelTarget(key: target, instance: 4))
        #expect(
            try resolver.destination(named: "\(blinded)") == .friend(target, at: portal.key, instance: 4))

        let named = try resolver.destination(named: "home")
        #expect(try named.choosing(instance: 2) == .friend(target, at: nil, instance: 2))
        #expect(try hidden.choosing(instance: 3) == hidden)
        #expect(throws: DestinationError.otherInstance(3)) { try hidden.choosing(instance: 2) }
        #expect(throws: DestinationError.noInstances) {
            try Destination.peer(portal).choosing(instance: 1)
        }
        let plain = try self.resolver(nil, portals: [portal]).destination(
            named: "\(TunnelAddress(portal: portal.key, target: target))")
        let chosen = try plain.choosing(instance: 5)
        #expect(chosen.instance == 5 && chosen.target == target)
        #expect(ways(try resolver.route(to: chosen)).map(\.instance) == [5])
    }

    @Test("does not ask a portal for a hidden friend by its id, whatever address is given")
    func noFallBack() throws {
        try befriend()
        let tunnel = try TunnelAddress(portal: portal.key, target: target)
        let destination = try resolver(keyring, portals: [portal]).destination(named: "\(tunnel)")
        #expect(destination == .friend(target, at: portal.key))
        #expect(ways(try resolver(keyring).route(to: destination)).allSatisfy { $0.pair != nil })
    }

    @Test("asks by id where the friend is open")
    func open() throws {
        try befriend(isOpen: true)
        let route = try resolver(keyring).route(to: .friend(target, at: nil))
        #expect(ways(route).count == 1 && ways(route).allSatisfy { $0.pair == nil })
    }

    @Test("names the key that the friend shows a portal, where it is known and the friend hidden")
    func shownKeys() throws {
        let shownKey = try Identity.random().publicKey
        let other = try PortalAddress(key: PortalKey(target), host: "b", port: 2, isOpen: true)
        try keyring.friends.addReach(
            to: EndpointKey(target), name: "home", portals: [try known(shownKey: shownKey), other])
        #expect(
            try ways(resolver(keyring).route(to: .friend(target, at: nil))).map(\.shownKey) == [
                shownKey, nil,
            ])
        try keyring.friends.addReach(to: EndpointKey(target), portals: [known(host: "c")])
        let kept = try ways(resolver(keyring).route(to: .friend(target, at: nil)))
        #expect(kept.map(\.shownKey) == [shownKey], "it does not change with the host")
    }

    @Test("knows whose word an address is: the owner's where it is one of theirs, with key, host and port")
    func authors() throws {
        try befriend()
        func authors(_ resolver: RouteResolver) throws -> [AddressAuthor] {
            let friend = try ways(resolver.route(to: .friend(target, at: nil)))
            let tunnel = try TunnelAddress(portal: portal.key, target: target)
            let named = try ways(resolver.route(to: .announced(tunnel, through: portal)))
            #expect(friend.first?.author == named.first?.author)
            return friend.map(\.author)
        }
        #expect(try authors(resolver(keyring)) == [.others])
        #expect(try authors(resolver(keyring, portals: [portal])) == [.owner])
        let moved = PeerAddress(net: try NetAddress(host: "a", port: 2), key: portal.key)
        let another = PeerAddress(net: portal.net, key: target)
        #expect(try authors(resolver(keyring, portals: [moved, another])) == [.others])
        #expect(
            try authors(RouteResolver(identity: identity, keyring: keyring, portals: [], allowsLocal: true))
                == [.owner])
        try keyring.portals.add(known(), now: now)
        #expect(try authors(resolver(keyring)) == [.owner])
    }

    @Test("resolves a blinded address by the keyring alone")
    func blinded() throws {
        try befriend()
        let value = Hmac1Value(target: EndpointKey(target), portal: PortalKey(portal.key))
        let address = BlindedAddress.hmac1(value.bytes, try TunnelTarget(key: target))
        #expect(
            try resolver(keyring).destination(named: "\(address)") == .friend(target, at: portal.key))
        #expect(throws: DestinationError.noKeyring) { try resolver(nil).destination(named: "\(address)") }
        let foreign = BlindedAddress.sealed(value.bytes)
        #expect(throws: DestinationError.unresolved) {
            try resolver(keyring).destination(named: "\(foreign)")
        }
    }

    @Test("says why a name leads nowhere")
    func nowhere() throws {
        try keyring.friends.admit(target, name: "bob", services: .all, now: now)
        #expect(throws: DestinationError.unreachableFriend("bob")) {
            try resolver(keyring).destination(named: "bob")
        }
        #expect(throws: DestinationError.self) { try resolver(keyring).destination(named: "alice") }
        #expect(throws: DestinationError.ownNode) {
            try resolver(keyring).route(to: .friend(identity.publicKey, at: nil))
        }
    }
}
