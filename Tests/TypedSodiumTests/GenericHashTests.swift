import TestSupport
import Testing
import TypedSodium

@Suite("GenericHash")
struct GenericHashTests {
    private let key = [UInt8](0..<32)

    // Source: computed with Python's hashlib.blake2b(digest_size=32), another implementation of RFC 7693.
    @Test("BLAKE2b is as another implementation computes it, with a key and without")
    func independent() throws {
        let vectors: [(String, plain: Hex, keyed: Hex)] = [
            (
                "", plain: "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8",
                keyed: "4e51e7a913fc80137da52880fecca175bf81e117d5c68126dc2774033517ea0d"
            ),
            (
                "abc", plain: "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319",
                keyed: "d63a32d3e44738d7907f964316c241adaba0abfeabc32349677578a15a203f7f"
            ),
        ]
        for (message, plain, keyed) in vectors {
            let bytes = Array(message.utf8)
            var hash = GenericHash()
            hash.update(bytes.span)
            let digest = hash.finalize()
            #expect(digest.array == plain.bytes)
            var keyedHash = GenericHash(key: try SecretKey(copying: key.span))
            keyedHash.update(bytes.span)
            let keyedDigest = keyedHash.finalize()
            #expect(keyedDigest.array == keyed.bytes)
        }
    }

    @Test("a label stands in front, with a zero byte behind it")
    func labels() throws {
        let message = Array("abc".utf8)
        let plain: Hex = "77847c45e96dce8fb33038fd2bfcd55a4cd6edd46060a45416893be9ade991a6"
        let keyed: Hex = "0682f4af21a3e346638221b5f77d02692c2a7c734b20bffa8ef7f8fdefcb7bba"
        var hash = GenericHash(label: "label")
        hash.update(message.span)
        let digest = hash.finalize()
        #expect(digest.array == plain.bytes)
        var keyedHash = GenericHash(label: "label", key: try SecretKey(copying: key.span))
        keyedHash.update(message.span)
        let keyedDigest = keyedHash.finalize()
        #expect(keyedDigest.array == keyed.bytes)
    }

    @Test(
        "does not depend on how the message is cut, nor on where the digest goes", arguments: [false, true])
    func parts(_ guarded: Bool) throws {
        var random = SeededRandom(seed: 2)
        let message = random.bytes(300)
        var whole = GenericHash()
        whole.update(message.span)
        let digest = whole.finalize()
        for position in 0...message.count {
            var hash = GenericHash()
            hash.update(message.span.extracting(0..<position))
            hash.update(message.span.extracting(position..<message.count))
            let again = hash.finalize()
            #expect(again == digest)
        }
        var typed = GenericHash()
        typed.update(try FixedBytes<64>(message.span.extracting(0..<64)))
        typed.update(try SecretKey(copying: message.span.extracting(64..<96)))
        typed.update(message.span.extracting(96..<300))
        let secret = try typed.finalizeSecret(guarded: guarded)
        #expect(try secret.isEqual(to: Hex(digest.array.hex)))
    }
}
