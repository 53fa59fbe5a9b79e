internal import MuxRPC
internal import NIOCore
internal import SecureSession

/// The stream `cluster.control`: sealed messages of two machines, each behind its length.
///
/// A length is 4 bytes, big-endian; bytes have no ends on a stream, so packets may be cut anywhere.
struct ControlStream {
    /// The longest message, in bytes: the longest envelope, sealed.
    static let messageByteLimit = 66 << 10
    /// What may wait to be sent, in bytes; a message beyond it is dropped, as one on NATS would be.
    static let waitingByteLimit = 4 << 20
    private static let packetByteCount = 32 << 10

    /// The stream.
    let stream: StreamID
    private var arrived = ByteBuffer()

    init(on stream: StreamID) { self.stream = stream }

    /// Takes what came on the stream.
    mutating func receive(_ bytes: ByteBuffer) { arrived.writeImmutableBuffer(bytes) }

    /// The next message that has come whole.
    ///
    /// - Throws: where one is longer than any may be.
    mutating func next() throws(LinkSession.Violation) -> [UInt8]? {
        guard let length = arrived.getInteger(at: arrived.readerIndex, as: UInt32.self) else {
            arrived.discardReadBytes()
            return nil
        }
        guard length > 0, length <= Self.messageByteLimit else { throw .outOfTurn }
        guard arrived.readableBytes >= 4 + Int(length) else {
            arrived.discardReadBytes()
            return nil
        }
        arrived.moveReaderIndex(forwardBy: 4)
        return arrived.readBytes(length: Int(length))
    }

    /// Sends a message; whether there was room.
    func send(_ message: [UInt8], over session: SecureSession) -> Bool {
        guard !message.isEmpty, message.count <= Self.messageByteLimit,
            session.outboundByteCount + message.count <= Self.waitingByteLimit
        else { return false }
        var bytes = ByteBuffer(integer: UInt32(message.count))
        bytes.writeBytes(message)
        while let piece = bytes.readSlice(length: min(Self.packetByteCount, bytes.readableBytes)),
            piece.readableBytes > 0
        {
            try? session.muxrpc.send(piece, on: stream)
        }
        return true
    }
}
