package import NIOCore
package import TypedSodium

/// Bytes that look random and can be made again from their seed, so that nothing needs to be kept for comparison.
package struct TestBytes: Sendable {
    private var state: UInt64
    /// How many are left to be made.
    package private(set) var byteCount: Int

    package init(seed: UInt64, byteCount: Int) {
        state = seed
        self.byteCount = byteCount
    }

    /// The next bytes, at most `limit`, which is a multiple of 8; `nil` behind the last.
    ///
    /// The generator is SplitMix64 (Steele, Lea, Flood, 2014): a nanosecond for 8 bytes.
    package mutating func next(limit: Int) -> ByteBuffer? {
        guard byteCount > 0 else { return nil }
        let count = min(limit, byteCount)
        byteCount -= count
        var buffer = ByteBuffer()
        buffer.reserveCapacity(count + 7)
        for _ in 0..<(count + 7) / 8 { buffer.writeInteger(nextWord(), endianness: .little) }
        buffer.moveWriterIndex(to: count)
        return buffer
    }

    /// The hash of all that are left.
    package func hash() -> FixedBytes<32> {
        var rest = self
        var hash = SHA256()
        while let bytes = rest.next(limit: 1 << 16) { hash.update(bytes.readableBytesSpan) }
        return hash.finalize()
    }

    private mutating func nextWord() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// A hash of bytes that arrive while a clock runs, most of it computed when the clock has stopped.
///
/// SHA-256 in portable C makes 300 MB/s: hashing while the clock runs would measure that instead of the way.
package struct LateHash: ~Copyable {
    /// How much waits to be hashed at most, in bytes.
    private static let limitByteCount = 128 << 20

    private var hash = SHA256()
    private var unhashed = CircularBuffer<ByteBuffer>()
    private var unhashedByteCount = 0

    package init() {}

    package mutating func append(_ bytes: ByteBuffer) {
        unhashed.append(bytes)
        unhashedByteCount += bytes.readableBytes
        while unhashedByteCount > Self.limitByteCount { hashFirst() }
    }

    package consuming func finalize() -> FixedBytes<32> {
        while !unhashed.isEmpty { hashFirst() }
        return hash.finalize()
    }

    private mutating func hashFirst() {
        guard let bytes = unhashed.popFirst() else { return }
        unhashedByteCount -= bytes.readableBytes
        hash.update(bytes.readableBytesSpan)
    }
}
