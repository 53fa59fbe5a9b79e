internal import NIOCore

/// The packets that wait to be boxed, in order, as one run of bytes.
///
/// Nothing that would end a JavaScript or Go session can be put in: no empty body, nothing behind a goodbye.
struct Outbox: Sendable {
    private(set) var bytes = ByteBuffer()
    private(set) var isClosed = false

    /// Takes all that waits.
    mutating func take() -> ByteBuffer? {
        guard bytes.readableBytes > 0 else { return nil }
        defer { bytes = ByteBuffer() }
        return bytes
    }

    /// Writes nine zero bytes; what is written later is dropped.
    mutating func close() {
        guard !isClosed else { return }
        bytes.writePacketHeader(.goodbye)
        isClosed = true
    }

    /// Writes a packet with a JSON body.
    ///
    /// - Throws: ``MuxRPCError/bodyTooLong(_:limit:)``, and nothing is written.
    mutating func write(
        _ value: JSONValue, number: Int32, isStream: Bool = false, isEnd: Bool = false, limit: Int
    ) throws(MuxRPCError) {
        guard !isClosed else { return }
        let start = bytes.writerIndex
        var header = PacketHeader(
            bodyType: .json, isStream: isStream, isEnd: isEnd, bodyByteCount: 0, requestNumber: number)
        bytes.writePacketHeader(header)
        bytes.writeJSON(value)
        let count = bytes.writerIndex - start - PacketHeader.byteCount
        guard count <= limit else {
            bytes.moveWriterIndex(to: start)
            throw .bodyTooLong(count, limit: limit)
        }
        header.bodyByteCount = UInt32(count)
        let end = bytes.writerIndex
        bytes.moveWriterIndex(to: start)
        bytes.writePacketHeader(header)
        bytes.moveWriterIndex(to: end)
    }

    /// Writes a packet with a body of bytes; an empty one is left out, because a JavaScript reader would take it
    /// for a goodbye.
    mutating func write(_ body: ByteBuffer, header: PacketHeader) {
        guard !isClosed, body.readableBytes > 0 else { return }
        bytes.writePacketHeader(header)
        bytes.writeImmutableBuffer(body)
    }

    /// Writes an error: the answer to a call, or the end of a stream.
    mutating func writeError(_ message: String, number: Int32, isStream: Bool) {
        // Cannot be too long: RemoteError cuts its message to a fraction of the limit.
        try? write(
            RemoteError(message).json, number: number, isStream: isStream, isEnd: true, limit: .max)
    }

    /// Writes the plain end of a stream.
    mutating func writeEnd(_ stream: StreamID) {
        try? write(true, number: stream.sentNumber, isStream: true, isEnd: true, limit: .max)
    }
}
