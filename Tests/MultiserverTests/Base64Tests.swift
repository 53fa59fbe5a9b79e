import Multiserver
import TestSupport
import Testing

@Suite("Base64")
struct Base64Tests {
    @Test(
        "agrees with the published examples",
        arguments: [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
        ])
    func publishedExamples(plain: String, encoded: String) throws {
        // RFC 4648, section 10.
        #expect(Base64.text(of: Array(plain.utf8)) == encoded)
        #expect(try Base64.bytes(of: encoded) == Array(plain.utf8))
    }

    @Test("decodes what it encodes, at every length up to 100 bytes")
    func roundTrip() throws {
        var random = SeededRandom(seed: 1)
        for count in 0...100 {
            let bytes = random.bytes(count)
            let text = Base64.encode(bytes.span)
            #expect(text.count == Base64.digitCount(forByteCount: count))
            #expect(try Base64.decode(text.span) == bytes)
        }
    }

    @Test(
        "refuses every other spelling",
        arguments: [
            ("Zg", Base64Error.wrongDigitCount(2)), ("Zg=", .wrongDigitCount(3)),
            ("Zh==", .strayBits), ("Zm9=", .strayBits), ("Zm9vYmF=", .strayBits),
            ("Zm9-", .foreignCharacter(offset: 3)), ("Zm_v", .foreignCharacter(offset: 2)),
            ("Z===", .foreignCharacter(offset: 1)), ("====", .foreignCharacter(offset: 0)),
            ("Zg==Zg==", .foreignCharacter(offset: 2)), ("Zm9v\n", .wrongDigitCount(5)),
            ("Zm v", .foreignCharacter(offset: 2)), ("=m9v", .foreignCharacter(offset: 0)),
            ("é9v", .foreignCharacter(offset: 0)),
        ])
    func refusals(text: String, error: Base64Error) {
        #expect(throws: error) { try Base64.bytes(of: text) }
        #expect(!error.description.isEmpty)
    }

    @Test("has one spelling for each byte string, so whatever it accepts it prints again")
    func canonical() {
        var random = SeededRandom(seed: 2)
        let alphabet = Array("ABcxyz019+/=-_ ".utf8)
        var acceptedCount = 0
        for _ in 0..<20_000 {
            let text = (0..<Int.random(in: 0...8, using: &random)).map { _ in
                alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
            }
            guard let bytes = try? Base64.decode(text.span) else { continue }
            acceptedCount += 1
            #expect(Base64.encode(bytes.span) == text)
        }
        #expect(acceptedCount > 100)
    }
}
