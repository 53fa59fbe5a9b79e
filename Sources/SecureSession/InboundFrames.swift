internal import BoxStream
internal import MuxRPC
internal import NIOCore

/// The receiving side after the handshake: frames are verified, and opened where their content is wanted.
///
/// A frame that is exactly one binary packet of an open stream is announced before it is decrypted, because the
/// keystream that checked its tag shows its header for free. One that its sender has cut into several frames, as
/// JavaScript does with all of them, is opened into a buffer of ours, from which it is copied once. Everything else
/// is put together by a packet reader.
struct InboundFrames: ~Copyable {
    /// What a frame brought.
    enum Input {
        /// A whole binary packet of an open stream, which is taken with one of the `openPacket` methods.
        case packet(StreamID, byteCount: Int)
        /// Anything else of muxrpc; indirect, because it is large and rare.
        indirect case item(PacketReader.Item)
        /// The box-stream goodbye.
        case goodbye
    }

    private enum State {
        case awaitingHeader
        case awaitingBody(byteCount: Int)
        /// A packet was announced that stands in one frame, and is dropped unless it is opened.
        case announced(byteCount: Int)
        /// A packet was announced that stands opened in ``collected``, and is dropped unless it is taken.
        case collected
        case ended
    }

    /// A binary packet of which more frames are to come.
    private struct Unfinished {
        let stream: StreamID
        var missingByteCount: Int
    }

    private var opener: Opener
    private var packets = PacketReader()
    private var state = State.awaitingHeader
    /// What a frame brought that has more in it than one packet, until all of it is taken.
    private var chunk = ByteBuffer()
    private var unfinished: Unfinished?
    /// The body of a packet that came in several frames, as far as it has arrived: at most the limit of a stream's.
    private var collected = ByteBuffer()

    init(_ opener: consuming Opener) { self.opener = opener }

    /// The memory behind what has not come whole, in bytes.
    var capacity: Int {
        chunk.storageCapacity + collected.storageCapacity + packets.collectedCapacity
    }

    /// Whether a frame's header has come, and not all of its body.
    var isAwaitingBody: Bool {
        guard case .awaitingBody = state else { return false }
        return true
    }

    mutating func finish() throws(BoxStreamError) { try opener.finish() }

    /// The next input, or `nil` when the frame it is in has not arrived whole.
    ///
    /// A packet that has not come whole may take `allowance` bytes of memory.
    mutating func next(
        from arrived: inout InboundBuffer, allowance: Int, mayBring: (StreamID) -> Bool,
        limit: (PacketHeader, ByteBuffer?) -> PacketReader.BodyLimit
    ) throws(SecureSessionError) -> Input? {
        while true {
            switch state {
            case .awaitingHeader:
                // A reader that is given nothing still makes buffers for it, two per frame.
                if chunk.readableBytes > 0 {
                    if let packet = completeUnfinished(mayBring: mayBring) { return packet }
                    packets.allowance = allowance
                    if let item = packets.next(from: &chunk, limit: limit) {
                        guard !packets.hasExceededAllowance else { throw .overAllowance }
                        return .item(item)
                    }
                    chunk = ByteBuffer()
                }
                guard arrived.prepare(BoxFrame.headerByteCount) else {
                    // While it is idle it keeps no buffer, and no keystream ahead.
                    if unfinished == nil, collected.capacity > 0 { collected = ByteBuffer() }
                    opener.rest()
                    return nil
                }
                guard try !openHeader(from: &arrived) else { return .goodbye }
            case .awaitingBody(let byteCount):
                guard arrived.prepare(byteCount) else {
                    opener.rest()
                    return nil
                }
                let packet = try verifyBody(
                    byteCount, from: &arrived, allowance: allowance, mayBring: mayBring)
                if let packet { return packet }
            case .announced:
                var dropped = ByteBuffer()
                openBody(from: &arrived, into: &dropped, dropping: 0)
            case .collected:
                dropCollected()
            case .ended:
                guard arrived.byteCount > 0 else { return nil }
                throw .boxStream(.afterGoodbye)
            }
        }
    }

    /// Opens the announced packet behind headroom, header included; adds nothing where none was announced.
    mutating func openPacket(from arrived: inout InboundBuffer, into batch: inout PacketBatch) {
        switch state {
        case .announced:
            batch.reserveHeadroom()
            openBody(from: &arrived, into: &batch.buffer, dropping: 0)
        case .collected:
            batch.append(collected, type: .binary)
            dropCollected()
        case .awaitingHeader, .awaitingBody, .ended:
            return
        }
    }

    /// Opens the announced packet without its header; adds nothing where none was announced.
    mutating func openPacket(from arrived: inout InboundBuffer, into buffer: inout ByteBuffer) {
        switch state {
        case .announced:
            openBody(from: &arrived, into: &buffer, dropping: PacketHeader.byteCount)
        case .collected:
            buffer.writeImmutableBuffer(collected)
            dropCollected()
        case .awaitingHeader, .awaitingBody, .ended:
            return
        }
    }

    /// Whether the header was the goodbye.
    private mutating func openHeader(from arrived: inout InboundBuffer) throws(SecureSessionError) -> Bool {
        let header: Opener.Header
        do {
            header = try arrived.withPiece(BoxFrame.headerByteCount) { piece throws(BoxStreamError) in
                try opener.openHeader(piece)
            }
        } catch {
            throw .boxStream(error)
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
        _ byteCount: Int, from arrived: inout InboundBuffer, allowance: Int, mayBring: (StreamID) -> Bool
    ) throws(SecureSessionError) -> Input? {
        let header: PacketHeader?
        do {
            header = try arrived.withPiece(byteCount) { piece throws(BoxStreamError) in
                try opener.verify(piece)
                let prefix = opener.prefix(of: piece)
                guard prefix.byteCount >= PacketHeader.byteCount else { return PacketHeader?.none }
                let header = PacketHeader(prefix.bytes.span)
                // Flags that mean nothing are not passed on: such a packet takes the other way and loses them.
                return header?.flags == prefix.bytes[0] ? header : nil
            }
        } catch {
            throw .boxStream(error)
        }
        state = .announced(byteCount: byteCount)
        if let missing = unfinished?.missingByteCount {
            if byteCount <= missing {
                try collectBody(from: &arrived, dropping: 0, allowance: allowance)
                unfinished?.missingByteCount = missing - byteCount
                return missing == byteCount ? announceCollected(mayBring: mayBring) : nil
            }
        } else if packets.isAtPacketBoundary, let header, header.isBinaryOfStream,
            let stream = StreamID(receivedNumber: header.requestNumber), mayBring(stream)
        {
            let bodyByteCount = Int(header.bodyByteCount)
            let missing = bodyByteCount - (byteCount - PacketHeader.byteCount)
            if missing == 0, bodyByteCount > 0 { return .packet(stream, byteCount: bodyByteCount) }
            if missing > 0, bodyByteCount <= packets.limits.bodyByteCount(for: header) {
                unfinished = Unfinished(stream: stream, missingByteCount: missing)
                try collectBody(from: &arrived, dropping: PacketHeader.byteCount, allowance: allowance)
                return nil
            }
        }
        // A buffer of its own, because slices of it may be kept.
        var opened = ByteBufferAllocator().buffer(capacity: byteCount)
        openBody(from: &arrived, into: &opened, dropping: 0)
        chunk = opened
        return nil
    }

    // MARK: Packets of several frames

    /// Opens a frame that is nothing but the packet's behind what there is of it.
    private mutating func collectBody(
        from arrived: inout InboundBuffer, dropping droppedByteCount: Int, allowance: Int
    ) throws(SecureSessionError) {
        guard case .announced(let byteCount) = state,
            ByteBuffer.capacity(for: collected.readableBytes + byteCount) <= allowance || allowance == .max
        else { throw .overAllowance }
        var buffer = ByteBuffer()
        swap(&buffer, &collected)  // leaves one owner: appending would copy a shared buffer
        openBody(from: &arrived, into: &buffer, dropping: droppedByteCount)
        swap(&buffer, &collected)
    }

    /// Takes the packet's last bytes out of a frame that has more in it; the packet, if there is one.
    private mutating func completeUnfinished(mayBring: (StreamID) -> Bool) -> Input? {
        guard let missing = unfinished?.missingByteCount, var piece = chunk.readSlice(length: missing) else {
            return nil
        }
        collected.writeBuffer(&piece)
        return announceCollected(mayBring: mayBring)
    }

    /// The packet, unless its stream has ended since it began: then nobody waits for it.
    private mutating func announceCollected(mayBring: (StreamID) -> Bool) -> Input? {
        guard let stream = unfinished?.stream else { return nil }
        unfinished = nil
        guard mayBring(stream) else {
            dropCollected()
            return nil
        }
        state = .collected
        return .packet(stream, byteCount: collected.readableBytes)
    }

    private mutating func dropCollected() {
        state = .awaitingHeader
        collected.clear()
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
