internal import NIOCore

/// Bytes that arrived, handed out in pieces of prescribed length without copying what arrived whole.
///
/// Only a piece that is split between two reads is put together, in `partial`, which never holds more than the
/// piece that is being waited for.
struct InboundBuffer {
    private var arrived = ByteBuffer()
    private var partial = ByteBuffer()

    /// How many bytes wait.
    var byteCount: Int { arrived.readableBytes + partial.readableBytes }

    /// The memory behind what waits, in bytes.
    var capacity: Int { arrived.storageCapacity + partial.storageCapacity }

    /// The memory behind a piece that has not come whole, in bytes.
    var partialCapacity: Int { partial.storageCapacity }

    /// Takes over what a read brought.
    mutating func append(_ bytes: ByteBuffer) {
        if arrived.readableBytes == 0 {
            arrived = bytes
        } else {
            // Otherwise the buffer of an owner that never takes everything would grow by all that was taken.
            if arrived.readerIndex >= arrived.readableBytes { arrived.discardReadBytes() }
            arrived.writeImmutableBuffer(bytes)
        }
    }

    /// Whether a piece of `count` bytes is ready for ``withPiece(_:_:)``.
    ///
    /// When it is not, the little that there is moves aside, so that the read's buffer is released.
    mutating func prepare(_ count: Int) -> Bool {
        if partial.readableBytes == 0, arrived.readableBytes >= count { return true }
        let missing = count - partial.readableBytes
        if missing > 0, var piece = arrived.readSlice(length: min(missing, arrived.readableBytes)) {
            if partial.readableBytes == 0 { partial.clear() }
            partial.writeBuffer(&piece)
        }
        if arrived.readableBytes == 0 {
            if arrived.storageCapacity > 0 { arrived = ByteBuffer() }
            // While it is idle it keeps no buffer.
            if partial.readableBytes == 0, partial.storageCapacity > 0 { partial = ByteBuffer() }
        }
        return partial.readableBytes >= count
    }

    /// Lends the next `count` bytes, which ``prepare(_:)`` found ready.
    func withPiece<Result, Failure>(
        _ count: Int, _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        if partial.readableBytes > 0 {
            return try body(partial.readableBytesSpan.extracting(first: count))
        }
        return try body(arrived.readableBytesSpan.extracting(first: count))
    }

    /// Lends all that came whole with the last read, which is none while a piece is put together.
    func withWhole(_ body: (RawSpan) -> Void) {
        if partial.readableBytes == 0 { body(arrived.readableBytesSpan) }
    }

    /// Lets go of the next `count` bytes.
    mutating func consume(_ count: Int) {
        if partial.readableBytes > 0 {
            partial.moveReaderIndex(forwardBy: count)
            if partial.readableBytes == 0 { partial.clear() }
        } else {
            arrived.moveReaderIndex(forwardBy: count)
        }
    }

    /// Takes the next `count` bytes out, or none while there are fewer.
    mutating func take(_ count: Int) -> [UInt8]? {
        guard prepare(count) else { return nil }
        defer { consume(count) }
        return partial.readableBytes > 0
            ? partial.getBytes(at: partial.readerIndex, length: count)
            : arrived.getBytes(at: arrived.readerIndex, length: count)
    }

    /// Drops everything.
    mutating func discard() {
        arrived = ByteBuffer()
        partial = ByteBuffer()
    }
}
