internal import BoxStream
internal import MuxRPC
internal import NIOCore

/// Where the bytes of a session go, which decides how its frames are laid out.
public enum Framing: Sendable {
    /// To a socket: frames stand back to back, bodies reach 4096 bytes.
    case direct
    /// Into a stream of an outer session: each frame is one muxrpc packet that fits one outer box exactly.
    ///
    /// In front of every frame stand the outer box's headroom and the outer packet's header, so that what the
    /// outer session seals is in its place already.
    case tunnelled

    /// What stands in front of every frame, in bytes.
    private var holeByteCount: Int {
        switch self {
        case .direct: 0
        case .tunnelled: BoxFrame.headerByteCount + PacketHeader.byteCount
        }
    }

    /// The longest box-stream body, in bytes: 4096, or 4053 where the frame itself has to fit such a body.
    var maximumBodyByteCount: Int {
        switch self {
        case .direct: BoxFrame.maximumBodyByteCount
        case .tunnelled:
            BoxFrame.maximumBodyByteCount - PacketHeader.byteCount - BoxFrame.headerByteCount
        }
    }

    /// The longest binary packet body that, with its header, fits one box, in bytes.
    var maximumDataByteCount: Int { maximumBodyByteCount - PacketHeader.byteCount }

    /// A buffer with room for bodies of that many bytes in all, each with its packet's header, frame and hole.
    func makeBuffer(bodyByteCount: Int, pieceCount: Int) -> ByteBuffer {
        let overhead = holeByteCount + BoxFrame.headerByteCount + PacketHeader.byteCount
        return ByteBufferAllocator().buffer(capacity: bodyByteCount + pieceCount * overhead)
    }

    /// A message that stands outside of any frame, or is one already, behind its hole.
    func layOut(_ message: [UInt8]) -> ByteBuffer {
        var buffer = makeBuffer(bodyByteCount: message.count, pieceCount: 1)
        writeHole(before: message.count, into: &buffer)
        buffer.writeBytes(message)
        return buffer
    }

    /// Writes hole and headroom; returns where the frame begins.
    func beginFrame(bodyByteCount: Int, in buffer: inout ByteBuffer) -> Int {
        writeHole(before: BoxFrame.headerByteCount + bodyByteCount, into: &buffer)
        let frame = buffer.writerIndex
        buffer.writeRepeatingByte(0, count: BoxFrame.headerByteCount)
        return frame
    }

    /// Writes what stands in front of a piece of that many bytes inside an outer session.
    private func writeHole(before byteCount: Int, into buffer: inout ByteBuffer) {
        guard case .tunnelled = self else { return }
        buffer.writeRepeatingByte(0, count: BoxFrame.headerByteCount)
        buffer.writePacketHeader(PacketHeader(binaryOf: 0, bodyByteCount: byteCount))
    }
}
