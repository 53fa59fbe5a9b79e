import Multiserver
import TestSupport
import Testing
import TypedSodium

@Suite("PublicKey as text")
struct PublicKeyTextTests {
    private let key = Fixtures.portal

    @Test("is an id of 53 characters and reads it back")
    func roundTrip() throws {
        #expect(key.id.utf8.count == 53)
        #expect(try PublicKey(id: key.id) == key)
        #expect(try PublicKey(base64: key.base64) == key)
    }

    @Test("takes the suffix .sha256 for the same key, as ssb-ref does, and never prints it")
    func sha256Suffix() throws {
        let read = try PublicKey(id: "@\(key.base64).sha256")
        #expect(read == key)
        #expect(read.id.hasSuffix(".ed25519"))
    }

    @Test("refuses every id that differs in form")
    func refusedIDs() {
        let digits = key.base64
        let refused = [
            "", "@", "@.ed25519", digits, "@" + digits, "\(digits).ed25519", "%\(digits).ed25519",
            "@\(digits).hmac", "@\(digits).ed25519 ", " @\(digits).ed25519", "@\(digits).ED25519",
            "@\(digits.dropLast()).ed25519", "@\(digits.dropFirst(4)).ed25519", "@AAAA\(digits).ed25519",
            "@@\(digits).ed25519", "@\(digits).ed25519.ed25519", "@\(digits).ed25519\n",
        ]
        for id in refused {
            #expect(throws: AddressError.badID) { try PublicKey(id: id) }
        }
    }

    @Test("refuses keys that are not canonical Base64 of 32 bytes")
    func refusedKeys() {
        let zeros = String(repeating: "A", count: 43)
        #expect((try? PublicKey(base64: zeros + "=")) != nil)
        let stray = String(repeating: "A", count: 42) + "B="
        let urlAlphabet = "-_" + String(repeating: "A", count: 41) + "="
        let bytes31 = Base64.text(of: [UInt8](repeating: 0, count: 31))
        let bytes33 = Base64.text(of: [UInt8](repeating: 0, count: 33))
        for text in [stray, urlAlphabet, zeros, zeros + "A", bytes31, bytes33, zeros + "\u{301}", ""] {
            #expect(throws: AddressError.badKey) { try PublicKey(base64: text) }
            #expect(throws: AddressError.badID) { try PublicKey(id: "@\(text).ed25519") }
        }
    }
}
