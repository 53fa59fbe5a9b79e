import Blinding
import Invitation
import Multiserver
import Testing
import TypedSodium

/// The one address of a portal: a key, its hosts, and how an endpoint is announced there.
@Suite("Portal addresses")
struct PortalAddressTests {
    private let key: PortalKey
    private let shown: PublicKey

    init() throws {
        key = PortalKey(try Identity.random().publicKey)
        shown = try Identity.random().publicKey
    }

    private func host(_ name: String, isOpen: Bool = false) throws -> PortalAddress {
        try PortalAddress(key: key, host: name, port: 8008, isOpen: isOpen)
    }

    @Test("name one host or several, all in one manner")
    func hosts() throws {
        let (first, second) = (try host("one"), try host("two"))
        let both = first.adding(second.first).showing(shown)
        #expect(both.hosts.map(\.name) == ["one", "two"] && both.host == "one" && both.port == 8008)
        #expect(both.places == [first.showing(shown), second.showing(shown)])
        #expect(both.atFirstHost == first.showing(shown))
        #expect(
            both.inManner(isOpen: true, shownKey: shown).places == [
                try host("one", isOpen: true), try host("two", isOpen: true),
            ])
        #expect(both.at(Array(both.hosts.reversed()))?.host == "two")
        #expect(both.at([PortalAddress.Host]()) == nil)
    }

    @Test("know a host whatever the manner, and no other portal's")
    func listening() throws {
        let both = try host("one").adding(host("two").first)
        #expect(try both.listens(at: host("two", isOpen: true)))
        #expect(try !both.listens(at: host("three")))
        let other = try PortalAddress(key: PortalKey(shown), host: "one", port: 8008, isOpen: false)
        #expect(!both.listens(at: other))
    }

    @Test("are dialled at a host that can be")
    func dialling() throws {
        #expect(
            try host("one").peer()
                == PeerAddress(net: NetAddress(host: "one", port: 8008), key: key.publicKey))
        #expect(throws: AddressError.badHost) { try host("1.2.3").peer() }
        #expect(try host("::1").hostAndPort == "[::1]:8008")
        #expect(try host("::1").addressText == "\(host("::1").peer())")
    }

    @Test("of several hosts make as many entries of an invite")
    func inviting() throws {
        let both = try host("one").adding(host("two").first).showing(shown)
        let code = try InviteCode(
            endpoint: EndpointKey(shown), seed: SecretKey.random(), expiry: nil, portals: [both])
        #expect(code.portals == both.places)
        let text = String(decoding: try code.encoded(), as: UTF8.self)
        let read = try InviteCode(text)
        #expect(read.portals == both.places)
    }
}
