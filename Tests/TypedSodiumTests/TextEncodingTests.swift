import TestSupport
import Testing
import TypedSodium

@Suite("TextEncoding")
struct TextEncodingTests {
    // Source: RFC 4648, section 10, and two bytes that use the digits in which the alphabets differ.
    static let vectors: [(bytes: [UInt8], base64: String, base64URL: String)] = [
        ([], "", ""), (Array("f".utf8), "Zg==", "Zg"), (Array("fo".utf8), "Zm8=", "Zm8"),
        (Array("foo".utf8), "Zm9v", "Zm9v"), (Array("foob".utf8), "Zm9vYg==", "Zm9vYg"),
        (Array("fooba".utf8), "Zm9vYmE=", "Zm9vYmE"), (Array("foobar".utf8), "Zm9vYmFy", "Zm9vYmFy"),
        ([0xFB, 0xF0], "+/A=", "-_A"),
    ]

    @Test("prints and reads the published texts")
    func published() throws {
        for vector in Self.vectors {
            #expect(Self.text(of: vector.bytes, .base64) == vector.base64)
            #expect(Self.text(of: vector.bytes, .base64URL) == vector.base64URL)
            #expect(try Self.bytes(of: vector.base64, .base64) == vector.bytes)
            #expect(try Self.bytes(of: vector.base64URL, .base64URL) == vector.bytes)
        }
    }

    @Test("reads what it prints, of any length", arguments: TextEncoding.allCases)
    func roundTrip(_ encoding: TextEncoding) throws {
        var random = SeededRandom(seed: 64)
        for count in 0...100 {
            let bytes = random.bytes(count)
            let text = Self.text(of: bytes, encoding)
            #expect(text.utf8.count == encoding.digitCount(forByteCount: count))
            #expect(try Self.bytes(of: text, encoding) == bytes)
        }
    }

    @Test("reads every byte string in one spelling only", arguments: TextEncoding.allCases)
    func canonical(_ encoding: TextEncoding) throws {
        let characters = Array("AQgwBCDZaz059+/-_= \n\0".utf8)
        var texts: [[UInt8]] = [[]]
        for _ in 0..<4 {
            texts = texts.flatMap { text in characters.map { text + [$0] } }
            for text in texts.prefix(30_000) {
                guard let bytes = try? encoding.decode(text.span) else { continue }
                #expect(encoding.encode(bytes.span) == text)
            }
        }
    }

    @Test("takes no byte for a digit that is none, in any place", arguments: TextEncoding.allCases)
    func foreignBytes(_ encoding: TextEncoding) {
        let letters =
            (UInt8(ascii: "A")...UInt8(ascii: "Z")).map(\.self)
            + (UInt8(ascii: "a")...UInt8(ascii: "z")) + (UInt8(ascii: "0")...UInt8(ascii: "9"))
        let digits = Set(letters + Array((encoding == .base64 ? "+/" : "-_").utf8))
        for byte in UInt8.min...UInt8.max where !digits.contains(byte) {
            for place in 0..<8 where byte != UInt8(ascii: "=") || place < 7 {
                var text = Array("Zm9vYmFy".utf8)
                text[place] = byte
                #expect(throws: SodiumError.notCanonicalText) { try encoding.decode(text.span) }
            }
        }
        let pairs: [[UInt8]] = (0x80...0xFF).flatMap { first in
            (0x80...0xFF).map { [first, $0, UInt8(ascii: "9"), UInt8(ascii: "v")] }
        }
        #expect(pairs.allSatisfy { (try? encoding.decode($0.span)) == nil }, "as libsodium 1.0.18 would not")
    }

    @Test("refuses the other alphabet, wrong padding, stray bits and anything behind the end")
    func refused() {
        for text in [
            "-_A=", "+/A", "Zg", "Zg=", "Zg===", "Zh==", "Z", "=", "====", "Zm9v\n", " Zm9v", "Zg==Zg==",
        ] {
            #expect(throws: SodiumError.notCanonicalText) { try Self.bytes(of: text, .base64) }
        }
        for text in ["+/A", "-_A=", "Zg==", "Zh", "Z", "=", "Zm9vY", "Zm9v\n", " Zm9v", "Zm9v\0"] {
            #expect(throws: SodiumError.notCanonicalText) { try Self.bytes(of: text, .base64URL) }
        }
    }

    private static func text(of bytes: [UInt8], _ encoding: TextEncoding) -> String {
        String(decoding: encoding.encode(bytes.span), as: UTF8.self)
    }

    private static func bytes(of text: String, _ encoding: TextEncoding) throws -> [UInt8] {
        try encoding.decode(Array(text.utf8).span)
    }
}
