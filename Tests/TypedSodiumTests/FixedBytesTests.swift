import Testing
import TypedSodium

@Suite("FixedBytes")
struct FixedBytesTests {
    private let bytes = [UInt8](0..<64)

    @Test("takes exactly its count", arguments: [0, 23, 25])
    func wrongByteCount(_ count: Int) {
        #expect(throws: SodiumError.wrongByteCount(count, expected: 24)) {
            try Nonce(bytes.prefix(count))
        }
        #expect(throws: SodiumError.wrongByteCount(count, expected: 24)) {
            try Nonce(bytes.span.extracting(first: count))
        }
    }

    @Test("cuts itself out of a longer message", arguments: [0, 1, 32])
    func offset(_ offset: Int) {
        #expect(FixedBytes<32>(bytes.span, at: offset).array == Array(bytes[offset..<offset + 32]))
    }

    @Test("is equal and hashes alike when all bytes are the same")
    func equality() throws {
        let value = try Tag(bytes.prefix(16))
        let same = try Tag(bytes.prefix(16))
        #expect(value == same && value.hashValue == same.hashValue && value.isEqual(to: same))
        for index in 0..<16 {
            var other = same
            other.storage[index] ^= 1
            #expect(value != other && !value.isEqual(to: other))
        }
    }

    @Test("starts as zero")
    func zero() { #expect(Tag().array == [UInt8](repeating: 0, count: 16)) }
}
