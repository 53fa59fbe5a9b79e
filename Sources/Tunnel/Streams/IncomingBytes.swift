internal import MuxRPC
internal import NIOCore

/// What came for a local end and is not handed to it, put together in pieces.
///
/// A buffer grows by doubling. So a piece ends at ``pieceByteCount``, and what is held costs little more than its bytes
/// where there are many, and at most twice as much where there are few.
struct IncomingBytes {
    /// How large a piece becomes, in bytes of memory: as much as one read of a socket brings at most.
    private static let pieceByteCount = 256 << 10
    /// What may be written beside a packet's body while it is opened: its header.
    private static let slackByteCount = 16

    private var full = CircularBuffer<ByteBuffer>()
    private var last = ByteBuffer()
    private var fullByteCount = 0
    private var fullCapacity = 0

    /// How much there is, in bytes.
    var byteCount: Int { fullByteCount + last.readableBytes }

    /// The memory behind it, in bytes.
    var capacity: Int { fullCapacity + last.storageCapacity }

    /// The memory behind it once so many bytes more are there.
    func capacity(with byteCount: Int) -> Int {
        fitsLast(byteCount)
            ? fullCapacity + max(last.storageCapacity, Self.capacity(for: last.readableBytes + byteCount))
            : capacity + Self.capacity(for: byteCount)
    }

    /// Takes bytes; `open` appends them to the buffer that it is lent.
    mutating func fill(_ byteCount: Int, _ open: (inout ByteBuffer) -> Void) {
        if !fitsLast(byteCount) {
            full.append(last)
            fullByteCount += last.readableBytes
            fullCapacity += last.storageCapacity
            last = ByteBuffer()
        }
        open(&last)
    }

    /// Takes the first piece out.
    mutating func next() -> ByteBuffer? {
        if let piece = full.popFirst() {
            fullByteCount -= piece.readableBytes
            fullCapacity -= piece.storageCapacity
            return piece
        }
        guard last.readableBytes > 0 else { return nil }
        defer { last = ByteBuffer() }
        return last
    }

    private func fitsLast(_ byteCount: Int) -> Bool {
        last.readableBytes == 0 || Self.capacity(for: last.readableBytes + byteCount) <= Self.pieceByteCount
    }

    private static func capacity(for byteCount: Int) -> Int {
        ByteBuffer.capacity(for: byteCount + slackByteCount)
    }
}
