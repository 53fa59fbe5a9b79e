import Multiserver
import Node
import Sodium
import TestSupport
import Testing

@Suite("Route")
struct RouteTests {
    private let portal: PeerAddress
    private let target: PublicKey

    init() throws {
        var random = SeededRandom(seed: 1)
        portal = PeerAddress(
            net: try NetAddress(host: "a", port: 1), key: PublicKey(try FixedBytes(random.bytes(32))))
        target = PublicKey(try FixedBytes(random.bytes(32)))
    }

    @Test("goes straight to a peer, and through the portal that a tunnel address names")
    func plain() throws {
        #expect(try Route(to: .peer(portal), portals: []) == .direct(portal))
        let tunnel = try TunnelAddress(portal: portal.key, target: target)
        let route = try Route(to: .tunnel(tunnel), portals: [portal])
        #expect(route == .tunnel(tunnel, through: portal))
        #expect(route.target == target)
    }

    @Test("refuses a tunnel address whose portal is not known")
    func unknownPortal() throws {
        let tunnel = try TunnelAddress(portal: target, target: portal.key)
        #expect(throws: RouteError.noPortal) { try Route(to: .tunnel(tunnel), portals: []) }
        #expect(throws: RouteError.otherPortal(target)) { try Route(to: .tunnel(tunnel), portals: [portal]) }
    }

    @Test("refuses every blinded address, whatever portals are known")
    func blinded() throws {
        let (value, shown) = (target.bytes, try TunnelTarget(key: target))
        for address: BlindedAddress in [.hmac1(value, shown), .circle1(value, shown), .sealed(value)] {
            for portals in [[], [portal]] {
                #expect(throws: RouteError.blinded) { try Route(to: .blinded(address), portals: portals) }
            }
        }
        #expect(RouteError.blinded.description.hasSuffix(": ask for the plain address"))
    }
}
