import Multiserver
import TestSupport
import Testing
import TypedSodium

@Suite("TunnelAddress")
struct TunnelAddressTests {
    private static let portal = Fixtures.portal
    private static let target = Fixtures.target

    /// The rows of the measured table of parsers (ssb-wire, section 6) that ssb-tunnel dials.
    static let accepted: [(text: String, instance: Int)] = [
        (Fixtures.tunnel(), 0),
        (Fixtures.tunnel(rest: ":0"), 0),
        (Fixtures.tunnel(rest: ":7"), 7),
        (Fixtures.tunnel(rest: ":abc"), 0),
        (Fixtures.tunnel(rest: ":"), 0),
        (Fixtures.tunnel(rest: ":-1"), -1),
        (Fixtures.tunnel(rest: ":+7"), 7),
        (Fixtures.tunnel(rest: ":7:fifth"), 7),
        (Fixtures.tunnel(transform: ""), 0),
        (Fixtures.tunnel(rest: ":7", transform: ""), 7),
        (Fixtures.tunnel(portal: "@\(portal.base64).sha256"), 0),
        (Fixtures.tunnel(transform: "~shs:\(target.base64):\(Fixtures.seed)"), 0),
        (Fixtures.tunnel(rest: ":9007199254740991"), TunnelAddress.instanceLimit),
    ]

    @Test("reads what ssb-tunnel reads and prints what everybody dials", arguments: accepted)
    func accepts(text: String, instance: Int) throws {
        let expected = try TunnelAddress(portal: Self.portal, target: Self.target, instance: instance)
        let address = try Address(text)
        #expect(address == .tunnel(expected))
        #expect(address.key == Self.target)
        let printed = address.description
        #expect(printed == Fixtures.tunnel(rest: ":\(instance)"))
        #expect(try Address(printed) == address)
    }

    /// The rows that ssb-tunnel refuses, and keys that contradict each other.
    static let refused: [(text: String, error: AddressError)] = [
        (Fixtures.tunnel(rest: ":1.5"), .badInstance),
        (Fixtures.tunnel(rest: ":1e3"), .badInstance),
        (Fixtures.tunnel(rest: ":0x10"), .badInstance),
        (Fixtures.tunnel(rest: ":9007199254740992"), .badInstance),
        (Fixtures.tunnel(rest: ":99999999999999999999"), .badInstance),
        (Fixtures.tunnel(portal: portal.base64), .badID),
        (Fixtures.tunnel(target: target.base64), .badID),
        (Fixtures.tunnel(portal: portal.base64, target: target.base64), .badID),
        (Fixtures.tunnel(portal: "@\(portal.base64).hmac"), .badID),
        (Fixtures.tunnel(portal: "@-_\(portal.base64.dropFirst(2)).ed25519"), .badID),
        (Fixtures.tunnel(portal: "\(portal.base64).ed25519"), .badID),
        (Fixtures.tunnel(portal: "\(portal.base64).sha256"), .badID),
        (Fixtures.tunnel(target: "\(target.base64).hmac1"), .badID),
        ("tunnel:\(portal.base64):c2VjcmV0~shs:\(target.base64)", .badID),
        ("tunnel:\(portal.base64)", .missingID),
        ("tunnel:\(portal.id)~shs:\(target.base64)", .missingID),
        ("tunnel~shs:\(target.base64)", .missingID),
        (Fixtures.tunnel(transform: "~shs:\(portal.base64)"), .keyIsNotTheTargets),
        (Fixtures.tunnel(transform: "~shs:\(target.base64):short"), .badKey),
        (Fixtures.tunnel(transform: "~shs"), .badKey),
        (Fixtures.tunnel(transform: "~noauth"), .unknownProtocol("noauth")),
    ]

    @Test("refuses the rest", arguments: refused)
    func refuses(text: String, error: AddressError) {
        #expect(throws: error) { try Address(text) }
    }

    @Test("is one entry of a list like any other")
    func lists() throws {
        let direct = "net:a:1~shs:\(Self.target.base64)"
        let tunnel = Fixtures.tunnel(rest: ":0")
        #expect(try Address("\(tunnel);\(direct)").description == tunnel)
        #expect(try Address("\(Fixtures.tunnel(rest: ":1.5"));\(direct)").description == direct)
    }

    @Test("every refusal says the cause and the remedy, and repeats no key")
    func sentences() {
        for (_, error) in Self.refused {
            #expect(error.description.contains(":"))
            #expect(!error.description.contains(Self.target.base64))
        }
    }
}
