import Multiserver
import TestSupport
import Testing
import TypedSodium

@Suite("BlindedAddress")
struct BlindedAddressTests {
    private static let target = Fixtures.target
    private static let value = Fixtures.value

    @Test("reads and prints the known answers of every form")
    func vectors() throws {
        let vectors = try BlindedVectors.load()
        let target = try TunnelTarget(key: PublicKey(FixedBytes(vectors.target.bytes)))
        let hmac1 = BlindedAddress.hmac1(try FixedBytes(vectors.hmac1.value.bytes), target)
        try check(vectors.hmac1.address, is: hmac1, key: target.key)
        #expect(vectors.circle.count == 3)
        for circle in vectors.circle {
            let shown = try FixedBytes<32>(circle.value.bytes)
            try check(circle.shown, is: .circle1(shown, target), key: target.key)
            let sealed = try FixedBytes<32>(circle.sealedValue.bytes)
            try check(circle.sealed, is: .sealed(sealed), key: nil)
        }
    }

    private func check(_ text: String, is blinded: BlindedAddress, key: PublicKey?) throws {
        let address = try Address(text)
        #expect(address == .blinded(blinded))
        #expect(address.key == key)
        #expect(address.description == text && blinded.description == text)
        #expect(try BlindedAddress(MultiserverAddress(text)) == blinded)
    }

    @Test(
        "reads an instance in plain decimal, or none as 0",
        arguments: [
            ("", 0), (":0", 0), (":7", 7), (":-1", -1), (":9007199254740991", TunnelAddress.instanceLimit),
        ])
    func instances(rest: String, instance: Int) throws {
        for form in ["hmac1", "circle1"] {
            let address = try Address(Fixtures.blinded(form, rest: rest))
            #expect(address.description == Fixtures.blinded(form, rest: ":\(instance)"))
            #expect(try Address(address.description) == address)
        }
    }

    @Test(
        "refuses every other spelling of an instance",
        arguments: [
            ":", ":abc", ":+7", ":-0", ":00", ":07", ":1.5", ":1e3", ":0x10", ":nan", ":7:fifth", ":7:",
            ":0:0",
            ":9007199254740992", ":-9007199254740992", ":9223372036854775808", ":99999999999999999999",
        ])
    func refusedInstances(rest: String) {
        for form in ["hmac1", "circle1"] {
            #expect(throws: AddressError.badInstance) { try Address(Fixtures.blinded(form, rest: rest)) }
        }
    }

    @Test("refuses a value that is not 32 bytes in canonical Base64", arguments: ["hmac1", "circle1"])
    func refusedValues(form: String) throws {
        let zeros = String(repeating: "A", count: 43)
        let shown = ":\(Self.target.id):0~shs:\(Self.target.base64)"
        #expect(throws: Never.self) { try Address("tunnel:\(zeros)=.\(form)\(shown)") }
        var refused = [
            zeros, zeros + "A", zeros + "==", zeros + "A=", "=" + zeros,
            String(repeating: "A", count: 42) + "B=",
            "-_" + String(repeating: "A", count: 41) + "=", zeros + "=.hmac1", zeros + ".=", zeros + "=@",
            "A@" + String(repeating: "A", count: 41) + "=", zeros + "=!:", "!!" + zeros,
        ]
        for count in 0...64 where count != 32 {
            refused.append(Base64.text(of: [UInt8](repeating: 0, count: count)))
        }
        for value in refused {
            for rest in [shown, ""] {
                let text = "tunnel:\(value).\(form)\(rest)"
                #expect(throws: AddressError.badBlindedValue, "\(text)") { try Address(text) }
            }
        }
    }

    /// Everything else that is not one of the forms.
    static let refused: [(text: String, error: AddressError)] = [
        (Fixtures.blinded("hmac2"), .unknownBlinding("hmac2")),
        (Fixtures.blinded("circle2"), .unknownBlinding("circle2")),
        (Fixtures.blinded("hmac"), .unknownBlinding("hmac")),
        (Fixtures.blinded("circle10"), .unknownBlinding("circle10")),
        (Fixtures.blinded("HMAC1"), .unknownBlinding("HMAC1")),
        (Fixtures.blinded("Circle1"), .unknownBlinding("Circle1")),
        (Fixtures.blinded("circle-1"), .unknownBlinding("circle-1")),
        (Fixtures.blinded("token1"), .unknownBlinding("token1")),
        ("tunnel:\(value).circle2", .unknownBlinding("circle2")),
        ("tunnel:short.secret9:anything~shs:x", .unknownBlinding("secret9")),
        (Fixtures.blinded("circle1234567890123"), .badID),
        (Fixtures.blinded("circle1/"), .badID),
        (Fixtures.blinded(""), .badID),
        ("tunnel:\(value)hmac1:\(target.id):0~shs:\(target.base64)", .badID),
        ("tunnel:@\(value).hmac1:\(target.id):0~shs:\(target.base64)", .badID),
        ("tunnel:@\(value).circle1", .missingID),
        ("tunnel:\(value).hmac1", .missingTarget),
        ("tunnel:\(value).hmac1~shs:\(target.base64)", .missingTarget),
        ("tunnel:\(value).circle1~shs:\(target.base64)", .missingTarget),
        ("tunnel:\(value).circle1~noauth", .unknownProtocol("noauth")),
        ("tunnel:\(value).circle1:", .badID),
        (Fixtures.blinded(target: target.base64), .badID),
        (Fixtures.blinded(target: "@\(target.base64).sha256"), .badID),
        (Fixtures.blinded(target: "\(value).circle1"), .badID),
        (Fixtures.blinded(transform: ""), .missingKey),
        (Fixtures.blinded("circle1", transform: ""), .missingKey),
        (Fixtures.blinded(transform: "~shs:\(Fixtures.portal.base64)"), .keyIsNotTheTargets),
        (Fixtures.blinded("circle1", transform: "~shs:\(value)"), .keyIsNotTheTargets),
        (Fixtures.blinded(transform: "~shs"), .badKey),
        (Fixtures.blinded(transform: "~shs:"), .badKey),
        (Fixtures.blinded(transform: "~shs:\(target.base64):short"), .badKey),
        (Fixtures.blinded(transform: "~shs:\(target.base64)~shs:\(target.base64)"), .badKey),
        (Fixtures.blinded(transform: "~shs:\(target.base64):\(Fixtures.seed)"), .inviteCode),
        (Fixtures.blinded(transform: "~shs:\(target.base64)~gzip"), .unknownProtocol("gzip")),
    ]

    @Test("refuses what is none of the forms", arguments: refused)
    func refuses(text: String, error: AddressError) {
        #expect(throws: error) { try Address(text) }
        #expect(error.description.contains(":"))
        #expect(!error.description.contains(Self.target.base64) && !error.description.contains(Self.value))
    }

    @Test("says what is wrong with a direct call of another kind of address")
    func otherKinds() throws {
        let peer = try MultiserverAddress("net:a:1~shs:\(Self.target.base64)")
        #expect(throws: AddressError.unknownProtocol("net")) { try BlindedAddress(peer) }
        #expect(throws: AddressError.badID) { try BlindedAddress(MultiserverAddress(Fixtures.tunnel())) }
        #expect(throws: AddressError.missingID) { try BlindedAddress(MultiserverAddress("tunnel~shs")) }
    }

    @Test("every cut is refused, but for one that is a sealed address itself")
    func cuts() throws {
        for form in ["hmac1", "circle1"] {
            let text = Fixtures.blinded(form)
            let sealed = "tunnel:\(Self.value).circle1"
            for count in 0..<text.utf8.count {
                let cut = String(decoding: text.utf8.prefix(count), as: UTF8.self)
                #expect(((try? Address(cut)) != nil) == (cut == sealed), "\(cut)")
            }
        }
    }

    @Test("gives way to any entry of a list that needs no keyring")
    func lists() throws {
        let direct = "net:a:1~shs:\(Self.target.base64)"
        let blinded = Fixtures.blinded()
        let sealed = "tunnel:\(Self.value).circle1"
        #expect(try Address("\(blinded);\(direct)").description == direct)
        #expect(
            try Address("\(sealed);\(Fixtures.tunnel(rest: ":0"))").description == Fixtures.tunnel(rest: ":0")
        )
        #expect(try Address("ws://a:1;\(sealed);\(blinded);net:a:1").description == sealed)
        #expect(throws: AddressError.unknownBlinding("hmac2")) {
            try Address("\(Fixtures.blinded("hmac2"));net:a:1")
        }
    }

    @Test("becomes a plain address once the portal is known")
    func resolved() throws {
        guard case .blinded(.hmac1(_, let shown)) = try Address(Fixtures.blinded(rest: ":7")) else {
            Issue.record("no hmac1 address")
            return
        }
        let plain = TunnelAddress(portal: Fixtures.portal, target: shown)
        #expect(plain.description == Fixtures.tunnel(rest: ":7"))
        #expect(throws: AddressError.badInstance) {
            try TunnelTarget(key: Self.target, instance: TunnelAddress.instanceLimit + 1)
        }
    }
}
