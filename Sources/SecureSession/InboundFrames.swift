internal import BoxStream
internal import MuxRPC
internal import NIOCore

/// The receiving side after the handshake: frames are verified, and opened where their content is wanted.
///
/// A frame that is exactly one binary packet of an open stream is announced before it is decrypted, because the
/// keystream that checked its tag shows its header for free. Everything else is put together by a packet reader.
struct InboundFrames: ~Copyable {
    /// What a frame brought.
    enum Input {
        /// A whole binary packet, verified and still sealed.
        case packet(StreamID, byteCount: Int)
        /// Anything else of muxrpc.
        case item(PacketReader.Item)
        /// The box-stream goodbye.
        case goodbye
    }

    private enum State {
        case awaitingHeader
        case awaitingBody(byteCount: Int)
        /// A packet was announced and is dropped unless it is opened.
        case announced(byteCount: Int)
        case ended
    }

    private var opener: Opener
    private var packets = PacketReader()
    private var state = State.awaitingHeader
    /// What a frame that is no whole packet brought, until the packet reader has taken it.
    private var chunk = ByteBuffer()

    init(_ opener: consuming Opener) { self.opener = opener }

    mutating func finish() throws(BoxStreamError) { try opener.finish() }

    /// The next input, or `nil` when the frame it is in has not arrived whole.
    mutating func next(
        from arrived: inout InboundBuffer, mayBring: (StreamID) -> Bool
    ) throws(BoxStreamError) -> Input? {
        while true {
            switch state {
            case .awaitingHeader:
                // A reader that is given nothing still makes buffers for it, two per frame.
                if chunk.readableBytes > 0 {
                    if let item = packets.next(from: &chunk) { return .item(item) }
                    chunk = ByteBuffer()
                }
                guard arrived.prepare(BoxFrame.headerByteCount) else { return nil }
                if try openHeader(from: &arrived) { return .goodbye }
            case .awaitingBody(let byteCount):
                guard arrived.prepare(byteCount) else { return nil }
                if let packet = try verifyBody(byteCount, from: &arrived, mayBring: mayBring) {
                    return packet
                }
            case .announced:
                var dropped = ByteBuffer()
                openBody(from: &arrived, into: &dropped, dropping: 0)
            case .ended:
                guard arrived.byteCount > 0 else { return nil }
                throw .afterGoodbye
            }
        }
    }

    mutating func openPacket(from arrived: inout InboundBuffer, into batch: inout PacketBatch) {
        guard case .announced = state else { return }
        batch.reserveHeadroom()
        openBody(from: &arrived, into: &batch.buffer, dropping: 0)
    }

    mutating func openPacket(from arrived: inout InboundBuffer, into buffer: inout ByteBuffer) {
        guard case .announced = state else { return }
        openBody(from: &arrived, into: &buffer, dropping: PacketHeader.byteCount)
    }

    /// Whether the header was the goodbye.
    private mutating func openHeader(from arrived: inout InboundBuffer) throws(BoxStreamError) -> Bool {
        let header = try arrived.withPiece(BoxFrame.headerByteCount) { piece throws(BoxStreamError) in
            try opener.openHeader(piece)
        }
        arrived.consume(BoxFrame.headerByteCount)
        switch header {
        case .body(let byteCount):
            state = .awaitingBody(byteCount: byteCount)
            return false
        case .goodbye:
            state = .ended
            return true
        }
    }

    private mutating func verifyBody(
        _ byteCount: Int, from arrived: inout InboundBuffer, mayBring: (StreamID) -> Bool
    ) throws(BoxStreamError) -> Input? {
        let header = try arrived.withPiece(byteCount) { piece throws(BoxStreamError) in
            try opener.verify(piece)
            let prefix = opener.prefix(of: piece)
            guard prefix.byteCount > PacketHeader.byteCount else { return PacketHeader?.none }
            let header = PacketHeader(prefix.bytes.span)
            // Flags that mean nothing are not passed on: such a packet takes the other way and loses them.
            return header?.flags == prefix.bytes[0] ? header : nil
        }
        state = .announced(byteCount: byteCount)
        if packets.isAtPacketBoundary, let header, header.isBinaryOfStream,
            Int(header.bodyByteCount) == byteCount - PacketHeader.byteCount,
            let stream = StreamID(receivedNumber: header.requestNumber), mayBring(stream)
        {
            return .packet(stream, byteCount: Int(header.bodyByteCount))
        }
        // A buffer of its own, because slices of it may be kept.
        var opened = ByteBufferAllocator().buffer(capacity: byteCount)
        openBody(from: &arrived, into: &opened, dropping: 0)
        chunk = opened
        return nil
    }

    private mutating func openBody(
        from arrived: inout InboundBuffer, into buffer: inout ByteBuffer, dropping droppedByteCount: Int
    ) {
        guard case .announced(let byteCount) = state else { return }
        arrived.withPiece(byteCount) { piece in
            buffer.writeWithOutputRawSpan(minimumWritableBytes: byteCount) { output in
                opener.open(piece, dropping: droppedByteCount, into: &output)
            }
        }
        arrived.consume(byteCount)
        state = .awaitingHeader
    }
}
