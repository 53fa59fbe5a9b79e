import TestSupport
import Testing
import TypedSodium

@Suite("SecretKey")
struct SecretKeyTests {
    @Test("takes exactly 32 bytes", arguments: [0, 31, 33, 64])
    func wrongByteCount(_ count: Int) {
        let bytes = [UInt8](repeating: 1, count: count)
        #expect(throws: SodiumError.wrongByteCount(count, expected: 32)) {
            _ = try SecretKey(copying: bytes.span)
        }
    }

    @Test("is equal to the same bytes alone, guarded or not", arguments: [false, true])
    func equality(_ guarded: Bool) throws {
        var random = SeededRandom(seed: 32)
        let bytes = random.bytes(32)
        let key = try SecretKey(copying: bytes.span, guarded: guarded)
        let same = try SecretKey(copying: bytes.span)
        let isEqual = key.isEqual(to: same)
        #expect(isEqual)
        for bit in 0..<256 {
            var other = bytes
            other[bit / 8] ^= 1 << (bit % 8)
            let isEqual = key.isEqual(to: try SecretKey(copying: other.span))
            #expect(!isEqual)
        }
    }

    @Test("a copy outlives its original")
    func copy() throws {
        let bytes = [UInt8](repeating: 7, count: 32)
        let copy = try copyOfShortLivedKey(bytes)
        #expect(try copy.isEqual(to: Hex(bytes.hex)))
    }

    @Test("a guarded copy is the same key")
    func guardedCopy() throws {
        let bytes = [UInt8](repeating: 8, count: 32)
        let copy = try SecretKey(copying: bytes.span).guardedCopy()
        #expect(try copy.isEqual(to: Hex(bytes.hex)))
    }

    @Test("is drawn anew each time", arguments: [false, true])
    func random(_ guarded: Bool) throws {
        let key = try SecretKey.random(guarded: guarded)
        let other = try SecretKey.random(guarded: guarded)
        let isEqual = key.isEqual(to: other)
        #expect(!isEqual)
    }

    @Test("appends its bytes")
    func append() throws {
        var random = SeededRandom(seed: 33)
        let bytes = random.bytes(32)
        var message: [UInt8] = [1, 2]
        try SecretKey(copying: bytes.span).append(to: &message)
        #expect(message == [1, 2] + bytes)
    }

    @Test("wiping leaves zero bytes", arguments: [0, 1, 96])
    func wiping(_ count: Int) {
        var bytes = [UInt8](repeating: 0xFF, count: count)
        wipe(&bytes)
        #expect(bytes == [UInt8](repeating: 0, count: count))
    }

    private func copyOfShortLivedKey(_ bytes: [UInt8]) throws -> SecretKey {
        try SecretKey(copying: bytes.span, guarded: true).copy()
    }
}
