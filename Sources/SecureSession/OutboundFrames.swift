internal import BoxStream
internal import MuxRPC
internal import NIOCore

/// The sending side: handshake messages, then frames, laid out as the framing asks and sealed in place.
struct OutboundFrames: ~Copyable {
    private let framing: Framing
    private var sealer: Sealer?
    private var ready = CircularBuffer<ByteBuffer>()

    /// What waits, in bytes.
    private(set) var byteCount = 0
    /// The memory behind it, in bytes.
    private(set) var capacity = 0

    init(framing: Framing) { self.framing = framing }

    /// From here on everything is sealed.
    mutating func start(_ sealer: consuming Sealer) { self.sealer = consume sealer }

    /// The next buffer to send.
    mutating func next() -> ByteBuffer? {
        guard let buffer = ready.popFirst() else {
            // What is idle keeps no keystream ahead.
            sealer?.rest()
            return nil
        }
        byteCount -= buffer.readableBytes
        capacity -= buffer.storageCapacity
        return buffer
    }

    /// Appends a message of the handshake, which stands outside of any frame.
    mutating func append(message: [UInt8]) {
        var buffer = makeBuffer(bodyByteCount: message.count, pieceCount: 1)
        writeHole(before: message.count, into: &buffer)
        buffer.writeBytes(message)
        enqueue(buffer)
    }

    /// Appends whole packets, cut into bodies wherever a body is full.
    mutating func append(packets: ByteBuffer) {
        var packets = packets
        let limit = framing.maximumBodyByteCount
        var buffer = makeBuffer(
            bodyByteCount: packets.readableBytes, pieceCount: packets.readableBytes / limit + 1)
        while packets.readableBytes > 0,
            var body = packets.readSlice(length: min(limit, packets.readableBytes))
        {
            let byteCount = body.readableBytes
            let frame = beginFrame(bodyByteCount: byteCount, in: &buffer)
            buffer.writeBuffer(&body)
            seal(bodyByteCount: byteCount, at: frame, in: &buffer)
        }
        enqueue(buffer)
    }

    /// Appends bytes of a stream, cut into packets that fill one body each.
    mutating func append(_ bytes: ByteBuffer, on stream: StreamID) {
        var bytes = bytes
        let limit = framing.maximumDataByteCount
        var buffer = makeBuffer(
            bodyByteCount: bytes.readableBytes, pieceCount: bytes.readableBytes / limit + 1)
        while bytes.readableBytes > 0, var piece = bytes.readSlice(length: min(limit, bytes.readableBytes)) {
            let header = PacketHeader(binaryOf: stream.sentNumber, bodyByteCount: piece.readableBytes)
            let bodyByteCount = PacketHeader.byteCount + piece.readableBytes
            let frame = beginFrame(bodyByteCount: bodyByteCount, in: &buffer)
            buffer.writePacketHeader(header)
            buffer.writeBuffer(&piece)
            seal(bodyByteCount: bodyByteCount, at: frame, in: &buffer)
        }
        enqueue(buffer)
    }

    /// Appends one packet whose body is sealed where it is first written: no copy of it is left behind.
    mutating func append(_ header: PacketHeader, secret body: Span<UInt8>) {
        let limit = framing.maximumBodyByteCount
        let byteCount = PacketHeader.byteCount + body.count
        // Room for all of it, because a buffer that grows leaves what it held behind.
        var buffer = makeBuffer(bodyByteCount: byteCount, pieceCount: byteCount / limit + 1)
        var written = 0
        repeat {
            let headerByteCount = written == 0 ? PacketHeader.byteCount : 0
            let piece = body.extracting(written..<min(body.count, written + limit - headerByteCount))
            let bodyByteCount = headerByteCount + piece.count
            let frame = beginFrame(bodyByteCount: bodyByteCount, in: &buffer)
            if written == 0 { buffer.writePacketHeader(header) }
            for index in piece.indices { buffer.writeInteger(piece[index]) }
            seal(bodyByteCount: bodyByteCount, at: frame, in: &buffer)
            written += piece.count
        } while written < body.count
        enqueue(buffer)
    }

    /// Appends a batch: its packets get the stream's number and are sealed where they stand.
    ///
    /// A tunnelled session cannot seal them there, for want of the outer holes: it copies them.
    mutating func append(_ batch: consuming PacketBatch, on stream: StreamID) {
        guard case .direct = framing else {
            return append(packets: batch.packets(numbered: stream.sentNumber))
        }
        var buffer = ByteBuffer()
        swap(&buffer, &batch.buffer)  // leaves one owner: sealing in place would copy a shared buffer
        sealPackets(in: buffer.mutableReadableBytesSpan, numbered: stream.sentNumber)
        enqueue(buffer)
    }

    /// Appends the goodbye, behind which nothing is sent.
    mutating func finish() {
        guard let goodbye = sealer?.goodbye() else { return }
        sealer = nil
        append(message: goodbye)
    }

    /// Drops what waits, and the key.
    mutating func discard() {
        sealer = nil
        ready.removeAll()
        byteCount = 0
        capacity = 0
    }

    // MARK: Layout

    private func makeBuffer(bodyByteCount: Int, pieceCount: Int) -> ByteBuffer {
        let overhead = framing.holeByteCount + BoxFrame.headerByteCount + PacketHeader.byteCount
        return ByteBufferAllocator().buffer(capacity: bodyByteCount + pieceCount * overhead)
    }

    /// Writes what stands in front of a piece of that many bytes inside an outer session.
    private func writeHole(before byteCount: Int, into buffer: inout ByteBuffer) {
        guard case .tunnelled = framing else { return }
        buffer.writeRepeatingByte(0, count: BoxFrame.headerByteCount)
        buffer.writePacketHeader(PacketHeader(binaryOf: 0, bodyByteCount: byteCount))
    }

    /// Writes hole and headroom; returns where the frame begins.
    private func beginFrame(bodyByteCount: Int, in buffer: inout ByteBuffer) -> Int {
        writeHole(before: BoxFrame.headerByteCount + bodyByteCount, into: &buffer)
        let frame = buffer.writerIndex
        buffer.writeRepeatingByte(0, count: BoxFrame.headerByteCount)
        return frame
    }

    /// Seals laid-out packets where they stand, with one look at their buffer for all of them.
    private mutating func sealPackets(in laidOut: consuming MutableRawSpan, numbered number: Int32) {
        var offset = 0
        while offset < laidOut.byteCount {
            let packet = offset + BoxFrame.headerByteCount
            precondition(packet + PacketHeader.byteCount <= laidOut.byteCount, "a batch holds whole packets")
            // Safe: the header's nine bytes are there, and integers have no invalid values.
            let bodyByteCount = unsafe laidOut.bytes.unsafeLoadUnaligned(
                fromByteOffset: packet + PacketLayout.bodyByteCountOffset, as: UInt32.self)
            laidOut.storeBytes(
                of: number.bigEndian, toByteOffset: packet + PacketLayout.requestNumberOffset, as: Int32.self)
            var remaining = PacketHeader.byteCount + Int(UInt32(bigEndian: bodyByteCount))
            while remaining > 0 {
                let bodyByteCount = min(remaining, BoxFrame.maximumBodyByteCount)
                sealer?.seal(bodyByteCount: bodyByteCount, at: offset, in: &laidOut)
                offset += BoxFrame.headerByteCount + bodyByteCount
                remaining -= bodyByteCount
            }
        }
    }

    private mutating func seal(bodyByteCount: Int, at offset: Int, in buffer: inout ByteBuffer) {
        let start = offset - buffer.readerIndex
        var bytes = buffer.mutableReadableBytesSpan
        sealer?.seal(bodyByteCount: bodyByteCount, at: start, in: &bytes)
    }

    private mutating func enqueue(_ buffer: ByteBuffer) {
        byteCount += buffer.readableBytes
        capacity += buffer.storageCapacity
        ready.append(buffer)
    }
}
