import Multiserver
import TestSupport
import Testing

@Suite("PeerAddress")
struct PeerAddressTests {
    private let key = Fixtures.target

    @Test("prints what it read")
    func roundTrip() throws {
        let text = "net:example.com:8008~shs:\(key.base64)"
        let address = try Address(text)
        #expect(address == .peer(PeerAddress(net: try NetAddress(host: "example.com", port: 8008), key: key)))
        #expect(address.description == text)
        #expect(address.key == key)
    }

    @Test("is read from what people have, unless the peer is behind a portal")
    func everydayForms() throws {
        let peer = PeerAddress(net: try NetAddress(host: "example.com", port: 8008), key: key)
        let text = "net:example.com:8008~shs:\(key.base64)"
        for text in [text, "example.com:8008:\(key.id)", "ws:example.com:80~shs:\(key.base64);\(text)"] {
            #expect(try PeerAddress(text) == peer, "\(text)")
        }
        #expect(throws: AddressError.unknownProtocol("tunnel")) { try PeerAddress(Fixtures.tunnel()) }
    }

    @Test("takes the host from the first colon to the last, brackets or not")
    func ipv6() throws {
        for host in ["2001:db8::1", "[2001:db8::1]", "::1", "[::1]"] {
            let bare = host.filter { $0 != "[" && $0 != "]" }
            let text = "net:\(host):8008~shs:\(key.base64)"
            #expect(try Address(text).description == "net:\(bare):8008~shs:\(key.base64)")
        }
        let nothing = try Address("net::8008~shs:\(key.base64)")
        #expect(nothing.description == "net:localhost:8008~shs:\(key.base64)")
    }

    @Test(
        "reads the published IPv6 addresses of both forms",
        arguments: [
            ("cjdnsAddr", "fcbc:6c66:bcd4:d3b5:2a2a:60b3:9b86:498f", 8008),
            ("cjdnsAddr2", "fcbc:6c66:bcd4:d3b5:2a2a:60b3:9b86:498f", 8008),
            ("ipv6Addr", "2a03:2267::ba27:ebff:fe8c:5a4d", 8080), ("ipv6AddrLocal", "::1", 8080),
        ] as [(String, String, UInt16)])
    func published(name: String, host: String, port: UInt16) throws {
        let text = try #require(try InviteVectors.load()[name])
        guard case .peer(let peer) = try Address(text) else {
            Issue.record("no peer")
            return
        }
        #expect(peer.net == (try NetAddress(host: host, port: port)))
        #expect(peer.description == "net:\(host):\(port)~shs:\(peer.key.base64)")
        #expect(try Address(peer.description) == .peer(peer))
    }

    @Test("tells invite codes from addresses", arguments: ["invite1", "cjdnsInvite2"])
    func inviteCodes(name: String) throws {
        let text = try #require(try InviteVectors.load()[name])
        #expect(throws: AddressError.inviteCode) { try Address(text) }
    }

    @Test("drops the constant that ssb-room puts in a seed's place")
    func openPortal() throws {
        let plain = "net:example.com:8008~shs:\(key.base64)"
        let invite = plain + ":SSB+Room+PSK3TLYC2T86EHQCUHBUHASCASE18JBV24="
        #expect(try Address(invite) == Address(plain))
    }

    @Test("refuses what cannot be dialled or authenticated")
    func refusals() throws {
        let shs = "~shs:\(key.base64)"
        let refusals: [(String, AddressError)] = [
            ("net:example.com:8008", .missingKey), ("net:example.com\(shs)", .badPort),
            ("net\(shs)", .badPort),
            ("net:example.com:0\(shs)", .badPort), ("net:example.com:ssb\(shs)", .badPort),
            ("net:exa/mple:8008\(shs)", .badHost), ("net:a!:b:8008\(shs)", .badHost),
            ("net:a!~b:8008\(shs)", .badHost), ("net:a:1~shs", .badKey), ("net:a:1~shs:", .badKey),
            ("net:a:1~shs:abc", .badKey), ("net:a:1\(shs):abc", .badKey), ("net:a:1\(shs):", .badKey),
            ("net:a:1\(shs):\(Fixtures.seed)", .inviteCode), ("net:a:1\(shs):\(Fixtures.seed):1", .badKey),
            ("net:a:1\(shs)\(shs)", .badKey), ("net:a:1\(shs)~gzip", .unknownProtocol("gzip")),
            ("net:a:1~noauth", .unknownProtocol("noauth")), ("ws://a:1\(shs)", .unknownProtocol("ws")),
            ("onion:abc.onion:1\(shs)", .unknownProtocol("onion")), ("", .empty),
            ("example.com:8008:@abc.ed25519", .badID), ("example.com:@\(key.base64).ed25519", .badPort),
        ]
        for (text, error) in refusals {
            #expect(throws: error, "\(text)") { try Address(text) }
        }
    }

    @Test("takes the first entry of a list that can be dialled")
    func lists() throws {
        let good = "net:b:2~shs:\(key.base64)"
        let ws = "ws://a:1~shs:\(key.base64)"
        #expect(try Address("\(ws);\(good);net:c:3~shs:\(key.base64)").description == good)
        #expect(try Address("net:a:1~shs:broken;\(good)").description == good)
        #expect(throws: AddressError.unknownProtocol("ws")) { try Address("\(ws);net:a:1") }
        #expect(throws: AddressError.self) { try Address("\(good);") }
    }
}
