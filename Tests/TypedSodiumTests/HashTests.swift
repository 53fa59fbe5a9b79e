import TestSupport
import Testing
import TypedSodium

@Suite("Hashes")
struct HashTests {
    @Test("SHA-256 of the published messages")
    func published() {
        // Source: FIPS 180-2, appendix B, and the hash of nothing.
        let vectors: [(String, Hex)] = [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
            ),
        ]
        for (message, digest) in vectors {
            #expect(SHA256.hash(Array(message.utf8)).array == digest.bytes)
        }
    }

    @Test("SHA-256 does not depend on how the message is cut")
    func parts() throws {
        var random = SeededRandom(seed: 256)
        let message = random.bytes(96)
        let whole = SHA256.hash(message.span)
        for position in 0...message.count {
            var hash = SHA256()
            hash.update(message.span.extracting(0..<position))
            hash.update(message.span.extracting(position..<message.count))
            #expect(hash.finalize() == whole)
        }
        var typed = SHA256()
        typed.update(try FixedBytes<64>(message.span.extracting(0..<64)))
        typed.update(try SecretKey(copying: message.span.extracting(64..<96)))
        let secret = typed.finalizeSecret()
        #expect(try secret.isEqual(to: Hex(whole.array.hex)))
    }

    // Source: RFC 4231, test case 2; a key padded with zero bytes is the same key to HMAC.
    @Test("the authentication code of the published message")
    func authentication() throws {
        let key = try FixedBytes<32>(Array("Jefe".utf8) + [UInt8](repeating: 0, count: 28))
        let message = Array("what do ya want for nothing?".utf8)
        let expected: Hex = "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
        let code = Authentication.code(of: message.span, key: key)
        #expect(code.array == expected.bytes)
        #expect(Authentication.isValid(code, of: message, key: key))
    }

    @Test("an authentication code with any bit flipped is refused")
    func flippedBits() throws {
        var random = SeededRandom(seed: 512)
        let key = try FixedBytes<32>(random.bytes(32))
        let message = random.bytes(32)
        let code = Authentication.code(of: message.span, key: key).array
        for bit in 0..<code.count * 8 {
            var forged = code
            forged[bit / 8] ^= 1 << (bit % 8)
            #expect(!Authentication.isValid(try FixedBytes(forged), of: message, key: key))
        }
    }
}
