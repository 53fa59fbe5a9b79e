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

    /// A packet that was announced, and is dropped unless it is taken.
    private enum Announced {
        /// It stands verified in one frame, under this number.
        case frame(number: Int32)
        /// It stands opened in ``collected``.
        case collected
    }

    /// A binary packet of which more frames are to come.
    private struct Unfinished {
        let stream: StreamID
        var missingByteCount: Int
    }

    private var frames: FrameOpener
    private var packets = PacketReader()
    private var announced: Announced?
    /// What a frame brought that has more in it than one packet, until all of it is taken.
    private var chunk = ByteBuffer()
    private var unfinished: Unfinished?
    /// The body of a packet that came in several frames, as far as it has arrived: at most the limit of a stream's.
    private var collected = ByteBuffer()

    init(_ opener: consuming Opener) { frames = FrameOpener(opener) }

    /// The memory behind what has not come whole, in bytes.
    var capacity: Int {
        chunk.storageCapacity + collected.storageCapacity + packets.collectedCapacity
    }

    /// Whether a frame's header has come, and not all of its body.
    var isAwaitingBody: Bool { frames.isAwaitingBody }

    mutating func finish() throws(BoxStreamError) { try frames.finish() }

    /// Whether keystream of frames to come is held.
    var holdsKeystream: Bool { frames.holdsKeystream }

    /// Takes note that no more input is at hand; keystream that was made ahead stays where it is to be kept.
    mutating func rest(keepingKeystream isKept: Bool) { frames.rest(keepingKeystream: isKept) }

    /// The next input, or `nil` when the frame it is in has not arrived whole.
    ///
    /// A packet that has not come whole may take `allowance` bytes of memory.
    mutating func next(
        from arrived: inout InboundBuffer, for muxrpc: borrowing RPCConnection, allowance: Int
    ) throws(SecureSessionError) -> Input? {
        dropAnnounced(from: &arrived)
        while true {
            // A reader that is given nothing still makes buffers for it, two per frame.
            if chunk.readableBytes > 0 {
                if let packet = completeUnfinished(for: muxrpc) { return packet }
                packets.allowance = allowance
                let item = packets.next(from: &chunk) { muxrpc.bodyLimit(for: $0, beginning: $1) }
                if let item {
                    guard !packets.hasExceededAllowance else { throw .overAllowance }
                    return .item(item)
                }
                chunk = ByteBuffer()
            }
            switch try nextFrame(from: &arrived) {
            case .body(let byteCount, let header):
                let packet = try takeBody(
                    byteCount, header, from: &arrived, allowance: allowance, for: muxrpc)
                if let packet { return packet }
            case .goodbye:
                return .goodbye
            case nil:
                // While it is idle it keeps no buffer.
                if unfinished == nil, collected.capacity > 0 { collected = ByteBuffer() }
                return nil
            }
        }
    }

    private mutating func nextFrame(
        from arrived: inout InboundBuffer
    ) throws(SecureSessionError) -> FrameOpener.Frame? {
        do {
            return try frames.next(from: &arrived)
        } catch {
            throw .boxStream(error)
        }
    }

    /// Finds out what a verified body is, and opens it where it is no packet to be announced.
    private mutating func takeBody(
        _ byteCount: Int, _ header: PacketHeader?, from arrived: inout InboundBuffer, allowance: Int,
        for muxrpc: borrowing RPCConnection
    ) throws(SecureSessionError) -> Input? {
        if let missing = unfinished?.missingByteCount {
            if byteCount <= missing {
                try collectBody(byteCount, from: &arrived, dropping: 0, allowance: allowance)
                unfinished?.missingByteCount = missing - byteCount
                return missing == byteCount ? announceCollected(for: muxrpc) : nil
            }
        } else if packets.isAtPacketBoundary, let header, header.isBinaryOfStream,
            let stream = StreamID(receivedNumber: header.requestNumber), muxrpc.mayBring(packetsOn: stream)
        {
            let bodyByteCount = Int(header.bodyByteCount)
            let missing = bodyByteCount - (byteCount - PacketHeader.byteCount)
            if missing == 0, bodyByteCount > 0 {
                announced = .frame(number: header.requestNumber)
                return .packet(stream, byteCount: bodyByteCount)
            }
            if missing > 0, bodyByteCount <= packets.limits.bodyByteCount(for: header) {
                unfinished = Unfinished(stream: stream, missingByteCount: missing)
                try collectBody(
                    byteCount, from: &arrived, dropping: PacketHeader.byteCount, allowance: allowance)
                return nil
            }
        }
        // A buffer of its own, because slices of it may be kept.
        var opened = ByteBufferAllocator().buffer(capacity: byteCount)
        frames.openBody(from: &arrived, into: &opened, dropping: 0)
        chunk = opened
        return nil
    }

    // MARK: Announced packets

    /// Opens the announced packet behind headroom, header included, and behind it those of the same stream that have
    /// come whole, one to a frame, while there is room for them within the limit; how many it were.
    mutating func openPackets(
        from arrived: inout InboundBuffer, into batch: inout PacketBatch, within limit: PacketBatch.Limit?
    ) -> Int {
        let announced = announced
        self.announced = nil
        switch announced {
        case .frame(let number):
            batch.reserveHeadroom()
            frames.openBody(from: &arrived, into: &batch.buffer, dropping: 0)
            guard var limit else { return 1 }
            limit.packetCount += 1
            return 1 + frames.openRun(of: number, from: &arrived, into: &batch.buffer, within: limit)
        case .collected:
            batch.append(collected, type: .binary)
            collected.clear()
            return 1
        case nil:
            return 0
        }
    }

    /// Opens the announced packet without its header; adds nothing where none was announced.
    mutating func openPacket(from arrived: inout InboundBuffer, into buffer: inout ByteBuffer) {
        switch announced {
        case .frame: frames.openBody(from: &arrived, into: &buffer, dropping: PacketHeader.byteCount)
        case .collected:
            buffer.writeImmutableBuffer(collected)
            collected.clear()
        case nil: break
        }
        announced = nil
    }

    /// Drops the packet that was announced and not taken.
    private mutating func dropAnnounced(from arrived: inout InboundBuffer) {
        guard announced != nil else { return }
        var dropped = ByteBuffer()
        openPacket(from: &arrived, into: &dropped)
    }

    // MARK: Packets of several frames

    /// Opens a frame that is nothing but the packet's behind what there is of it.
    private mutating func collectBody(
        _ byteCount: Int, from arrived: inout InboundBuffer, dropping droppedByteCount: Int, allowance: Int
    ) throws(SecureSessionError) {
        guard
            allowance == .max
                || ByteBuffer.capacity(for: collected.readableBytes + byteCount) <= allowance
        else { throw .overAllowance }
        var buffer = ByteBuffer()
        swap(&buffer, &collected)  // leaves one owner: appending would copy a shared buffer
        frames.openBody(from: &arrived, into: &buffer, dropping: droppedByteCount)
        swap(&buffer, &collected)
    }

    /// Takes the packet's last bytes out of a frame that has more in it; the packet, if there is one.
    private mutating func completeUnfinished(for muxrpc: borrowing RPCConnection) -> Input? {
        guard let missing = unfinished?.missingByteCount, var piece = chunk.readSlice(length: missing) else {
            return nil
        }
        collected.writeBuffer(&piece)
        return announceCollected(for: muxrpc)
    }

    /// The packet, unless its stream has ended since it began: then nobody waits for it.
    private mutating func announceCollected(for muxrpc: borrowing RPCConnection) -> Input? {
        guard let stream = unfinished?.stream else { return nil }
        unfinished = nil
        guard muxrpc.mayBring(packetsOn: stream) else {
            collected.clear()
            return nil
        }
        announced = .collected
        return .packet(stream, byteCount: collected.readableBytes)
    }
}
