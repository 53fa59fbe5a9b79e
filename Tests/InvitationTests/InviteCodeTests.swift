import Blinding
import Invitation
import TestSupport
import Testing
import TypedSodium

@Suite("InviteCode")
struct InviteCodeTests {
    @Test("reads the code that was computed independently, and prints it again")
    func vector() throws {
        let vectors = try Vectors.load()
        let people = try People(vectors)
        let invite = try InviteCode(vectors.invite.code)
        #expect(invite.endpoint == people.endpointKey)
        #expect(invite.expiry == vectors.invite.expiry)
        #expect(try invite.identity().publicKey == people.invite.publicKey)
        #expect(invite.portals.count == vectors.invite.portals.count)
        for (portal, expected) in zip(invite.portals, vectors.invite.portals) {
            #expect(Self.id(of: portal.key) == expected.id)
            #expect(portal.host == expected.host && portal.port == expected.port)
            #expect(portal.isOpen == expected.open)
            #expect(portal.shownKey?.id == expected.pseudonym)
        }
        #expect(try invite.text == vectors.invite.code)
    }

    @Test("is made from its parts, and reads again as them")
    func roundTrip() throws {
        var random = SeededRandom(seed: 10)
        for count in 1...InviteCode.portalCountLimit {
            let endpoint = EndpointKey(try random.identity().publicKey)
            let expiry: UInt64? = count == 1 ? nil : .random(in: 1..<InviteCode.expiryLimit, using: &random)
            let portals = try (0..<count).map { index in
                let host = String(repeating: "p", count: Int.random(in: 1...253, using: &random))
                return try PortalAddress(
                    key: random.portal(), host: host, port: .random(in: 1...(.max), using: &random),
                    isOpen: index % 2 == 1, shownKey: random.identity().publicKey)
            }
            let secret = try random.secret()
            let invite = try InviteCode(endpoint: endpoint, seed: secret, expiry: expiry, portals: portals)
            let again = try InviteCode(invite.text)
            #expect(again.endpoint == endpoint && again.expiry == expiry && again.portals == portals)
            #expect(try again.identity().publicKey == Identity(seed: secret).publicKey)
            #expect(try again.text == invite.text)
        }
    }

    @Test("the longest code is as long as the limit says, and is read")
    func longest() throws {
        var random = SeededRandom(seed: 11)
        let portals = try (0..<8).map { _ in
            try PortalAddress(
                key: random.portal(), host: String(repeating: "h", count: 253), port: .max, isOpen: false,
                shownKey: random.identity().publicKey)
        }
        let endpoint = EndpointKey(try random.identity().publicKey)
        let invite = try InviteCode(
            endpoint: endpoint, seed: random.secret(), expiry: InviteCode.expiryLimit - 1, portals: portals)
        #expect(try invite.text.utf8.count == InviteCode.textByteCountLimit)
        #expect(try InviteCode(invite.text).portals == portals)
    }

    @Test("ends with the second that it names, or never")
    func expiry() throws {
        let limited = try Self.made(expiry: 1_800_000_000)
        let expired = [1_799_999_999, 1_800_000_000].map { limited.isExpired(atUnixSeconds: $0) }
        #expect(expired == [false, true])
        let unlimited = try Self.made(expiry: 0)
        #expect(unlimited.expiry == nil)
        let isExpired = unlimited.isExpired(atUnixSeconds: .max)
        #expect(!isExpired)
    }

    @Test("its key pair opens the pair that the endpoint announces")
    func pair() throws {
        let vectors = try Vectors.load()
        let people = try People(vectors)
        let invite = try InviteCode(vectors.invite.code)
        let identity = try invite.identity()
        let atReader = try PairKey(friend: identity, endpoint: invite.endpoint)
        let atEndpoint = try PairKey(
            endpoint: people.endpoint, friend: InviteKey(identity.publicKey).asFriend)
        let areEqual = atReader.isEqual(to: atEndpoint)
        #expect(areEqual)
    }

    @Test("is not made of parts that it could not carry")
    func impossibleParts() throws {
        let portal = try Self.portal()
        let portals = [PortalAddress](repeating: portal, count: 9)
        #expect(throws: InviteCodeError.noPortal) { _ = try Self.made(portals: []) }
        #expect(throws: InviteCodeError.tooManyPortals(9, limit: 8)) { _ = try Self.made(portals: portals) }
        #expect(throws: InviteCodeError.expiryTooLarge(1 << 53)) { _ = try Self.made(expiry: 1 << 53) }
        #expect(throws: InviteCodeError.expiryTooLarge(.max)) { _ = try Self.made(expiry: .max) }
        #expect(throws: InviteCodeError.noPseudonym) {
            try Self.made(portals: [portal.showing(nil)]).encoded()
        }
        #expect(throws: InviteCodeError.emptyHost) { try Self.portal(host: "") }
        #expect(throws: InviteCodeError.badPort) { try Self.portal(port: 0) }
        #expect(throws: InviteCodeError.hostTooLong(254, limit: 253)) {
            try Self.portal(host: String(repeating: "a", count: 254))
        }
    }

    @Test("several hosts of one portal agree on how the endpoint is announced there")
    func severalHosts() throws {
        var random = SeededRandom(seed: 16)
        let (first, other) = (try Self.portal(), try random.identity().publicKey)
        func second(isOpen: Bool, shownKey: PublicKey?) throws -> PortalAddress {
            try PortalAddress(
                key: first.key, host: "192.0.2.1", port: 8008, isOpen: isOpen, shownKey: shownKey)
        }
        let portals = [first, try second(isOpen: false, shownKey: first.shownKey)]
        #expect(try InviteCode(Self.made(portals: portals).text).portals == portals)
        #expect(throws: InviteCodeError.openAndHidden) {
            _ = try Self.made(portals: [first, second(isOpen: true, shownKey: nil)])
        }
        #expect(throws: InviteCodeError.severalPseudonyms) {
            _ = try Self.made(portals: [first, second(isOpen: false, shownKey: other)])
        }
    }

    @Test(
        "a host is a name or an address without brackets",
        arguments: [
            ("portal.example.org", true), ("192.0.2.1", true), ("2001:db8::1", true), ("::1", true),
            ("::ffff:192.0.2.1", true), ("my_host-1", true), ("localhost", true), ("[::1]", false),
            ("fe80::1%eth0", false), ("a b", false), ("höst", false), ("host:8008", false), ("-host", false),
            ("host\n", false), ("a/b", false), ("a~shs", false), ("a;b", false), ("\u{1B}[2J", false),
        ])
    func hosts(_ host: String, _ isGood: Bool) {
        if isGood {
            #expect(throws: Never.self) { try Self.portal(host: host) }
        } else {
            #expect(throws: InviteCodeError.badHost) { try Self.portal(host: host) }
        }
    }

    private static func portal(host: String = "portal", port: UInt16 = 8008) throws -> PortalAddress {
        var random = SeededRandom(seed: 12)
        return try PortalAddress(
            key: random.portal(), host: host, port: port, isOpen: false,
            shownKey: random.identity().publicKey)
    }

    private static func made(expiry: UInt64? = nil, portals: [PortalAddress]? = nil) throws -> InviteCode {
        var random = SeededRandom(seed: 13)
        return try InviteCode(
            endpoint: EndpointKey(random.identity().publicKey), seed: random.secret(), expiry: expiry,
            portals: portals ?? [portal()])
    }

    private static func id(of key: PortalKey) -> String {
        key.publicKey.id
    }
}

extension PublicKey {
    /// As identities are written, made here because what reads and prints them is a sister module.
    var id: String {
        let digits = TextEncoding.base64.encode(bytes.storage.span)
        return "@\(String(decoding: digits, as: UTF8.self)).ed25519"
    }
}

extension InviteCode {
    var text: String {
        get throws { String(decoding: try encoded(), as: UTF8.self) }
    }
}
