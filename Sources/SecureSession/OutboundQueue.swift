internal import NIOCore

/// Laid-out bytes in the order in which they are sent, from the first message of the handshake to the goodbye.
///
/// ### Invariants
/// - ``byteCount`` and ``capacity`` are the sums over the buffers that wait.
struct OutboundQueue {
    private var ready = CircularBuffer<ByteBuffer>(initialCapacity: 1)

    /// What waits, in bytes.
    private(set) var byteCount = 0
    /// The memory behind it, in bytes.
    private(set) var capacity = 0

    /// The next buffer to send.
    mutating func next() -> ByteBuffer? {
        guard let buffer = ready.popFirst() else { return nil }
        byteCount -= buffer.readableBytes
        capacity -= buffer.storageCapacity
        return buffer
    }

    mutating func append(_ buffer: ByteBuffer) {
        byteCount += buffer.readableBytes
        capacity += buffer.storageCapacity
        ready.append(buffer)
    }

    /// Drops what waits.
    mutating func discard() {
        ready.removeAll()
        byteCount = 0
        capacity = 0
    }

    /// Traps in debug builds where the invariants do not hold.
    func assertInvariants() {
        assert(ready.reduce(0) { $0 + $1.readableBytes } == byteCount, "what waits is counted")
        assert(ready.reduce(0) { $0 + $1.storageCapacity } == capacity, "the memory behind it is counted")
    }
}
