import TestSupport
import Testing
import TypedSodium

@Suite("Identity")
struct IdentityTests {
    private let seed = [UInt8](0..<32)

    @Test("is the same from its seed and from its secret bytes")
    func secretBytes() throws {
        let identity = try grown()
        let again = try Identity(secretBytes: (seed + identity.publicKey.bytes.array).span)
        #expect(again.publicKey == identity.publicKey)
        let message: [UInt8] = [1, 2, 3]
        #expect(identity.publicKey.verifies(again.sign(message.span), of: message))
    }

    @Test("hands out seed and public key, for its file")
    func withSecretBytes() throws {
        let identity = try grown()
        let bytes = unsafe identity.withUnsafeSecretBytes { unsafe Array($0) }
        #expect(bytes == seed + identity.publicKey.bytes.array)
    }

    @Test("hands out a copy of its seed, to derive other keys from")
    func copiedSeed() throws {
        let copy = try grown().seed()
        #expect(try copy.isEqual(to: Hex(seed.hex)))
    }

    @Test("refuses a public half that is not the seed's")
    func mismatch() throws {
        let publicBytes = try grown().publicKey.bytes.array
        for bit in 0..<256 {
            var other = publicBytes
            other[bit / 8] ^= 1 << (bit % 8)
            #expect(throws: SodiumError.mismatchedKeyPair) {
                _ = try Identity(secretBytes: (seed + other).span)
            }
        }
    }

    @Test("takes exactly 64 secret bytes", arguments: [0, 32, 63, 65])
    func wrongByteCount(_ count: Int) {
        let bytes = [UInt8](repeating: 1, count: count)
        #expect(throws: SodiumError.wrongByteCount(count, expected: 64)) {
            _ = try Identity(secretBytes: bytes.span)
        }
    }

    @Test("is another one each time it is drawn")
    func random() throws {
        #expect(try Identity.random().publicKey != Identity.random().publicKey)
    }

    private func grown() throws -> Identity { try Identity(seed: SecretKey(copying: seed.span)) }
}
