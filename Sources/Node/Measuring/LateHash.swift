package import NIOCore
package import TypedSodium

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
