internal import BoxStream
internal import MuxRPC
internal import NIOCore

/// Makes frames of what is said after the handshake: laid out as the framing asks, and sealed in place.
struct OutboundFrames: ~Copyable {
    /// Where the fields of a packet's header stand that are read or written without decoding the whole of it.
    private static let bodyByteCountOffset = 1
    private static let requestNumberOffset = 5

    private let framing: Framing
    private var sealer: Sealer

    init(framing: Framing, sealer: consuming Sealer) {
        self.framing = framing
        self.sealer = sealer
    }

    /// Whole packets, cut into bodies wherever a body is full.
    mutating func seal(packets: ByteBuffer) -> ByteBuffer {
        var packets = packets
        let limit = framing.maximumBodyByteCount
        var buffer = framing.makeBuffer(
            bodyByteCount: packets.readableBytes, pieceCount: packets.readableBytes / limit + 1)
        while packets.readableBytes > 0,
            var body = packets.readSlice(length: min(limit, packets.readableBytes))
        {
            let byteCount = body.readableBytes
            let frame = framing.beginFrame(bodyByteCount: byteCount, in: &buffer)
            buffer.writeBuffer(&body)
            seal(bodyByteCount: byteCount, at: frame, in: &buffer)
        }
        return buffer
    }

    /// Bytes of a stream, cut into packets that fill one body each.
    mutating func seal(_ bytes: ByteBuffer, on stream: StreamID) -> ByteBuffer {
        var bytes = bytes
        let limit = framing.maximumDataByteCount
        var buffer = framing.makeBuffer(
            bodyByteCount: bytes.readableBytes, pieceCount: bytes.readableBytes / limit + 1)
        while bytes.readableBytes > 0, var piece = bytes.readSlice(length: min(limit, bytes.readableBytes)) {
            let header = PacketHeader(binaryOf: stream.sentNumber, bodyByteCount: piece.readableBytes)
            let bodyByteCount = PacketHeader.byteCount + piece.readableBytes
            let frame = framing.beginFrame(bodyByteCount: bodyByteCount, in: &buffer)
            buffer.writePacketHeader(header)
            buffer.writeBuffer(&piece)
            seal(bodyByteCount: bodyByteCount, at: frame, in: &buffer)
        }
        return buffer
    }

    /// One packet whose body is sealed where it is first written: no copy of it is left behind.
    mutating func seal(_ header: PacketHeader, secret body: Span<UInt8>) -> ByteBuffer {
        let limit = framing.maximumBodyByteCount
        let byteCount = PacketHeader.byteCount + body.count
        // Room for all of it, because a buffer that grows leaves what it held behind.
        var buffer = framing.makeBuffer(bodyByteCount: byteCount, pieceCount: byteCount / limit + 1)
        var written = 0
        repeat {
            let headerByteCount = written == 0 ? PacketHeader.byteCount : 0
            let piece = body.extracting(written..<min(body.count, written + limit - headerByteCount))
            let bodyByteCount = headerByteCount + piece.count
            let frame = framing.beginFrame(bodyByteCount: bodyByteCount, in: &buffer)
            if written == 0 { buffer.writePacketHeader(header) }
            for index in piece.indices { buffer.writeInteger(piece[index]) }
            seal(bodyByteCount: bodyByteCount, at: frame, in: &buffer)
            written += piece.count
        } while written < body.count
        return buffer
    }

    /// The packets of a batch, which get the stream's number and are sealed where they stand.
    ///
    /// A tunnelled session cannot seal them there, for want of the outer holes: it copies them.
    mutating func seal(_ batch: consuming PacketBatch, on stream: StreamID) -> ByteBuffer {
        guard case .direct = framing else {
            return seal(packets: batch.packets(numbered: stream.sentNumber))
        }
        var buffer = ByteBuffer()
        swap(&buffer, &batch.buffer)  // leaves one owner: sealing in place would copy a shared buffer
        sealPackets(in: buffer.mutableReadableBytesSpan, numbered: stream.sentNumber)
        return buffer
    }

    /// Whether blocks of frames to come are held.
    var holdsKeystream: Bool { sealer.holdsKeystream }

    /// Takes note that there is nothing to seal for now; what was made ahead stays where it is to be kept.
    mutating func rest(keepingKeystream isKept: Bool) {
        if isKept { sealer.pause() } else { sealer.rest() }
    }

    /// The goodbye, behind which nothing is sealed.
    mutating func goodbye() -> ByteBuffer { framing.layOut(sealer.goodbye()) }

    /// Seals laid-out packets where they stand, with one look at their buffer for all of them.
    private mutating func sealPackets(in laidOut: consuming MutableRawSpan, numbered number: Int32) {
        var offset = 0
        while offset < laidOut.byteCount {
            let packet = offset + BoxFrame.headerByteCount
            precondition(packet + PacketHeader.byteCount <= laidOut.byteCount, "a batch holds whole packets")
            // Safe: the header's nine bytes are there, and integers have no invalid values.
            let bodyByteCount = unsafe laidOut.bytes.unsafeLoadUnaligned(
                fromByteOffset: packet + Self.bodyByteCountOffset, as: UInt32.self)
            laidOut.storeBytes(
                of: number.bigEndian, toByteOffset: packet + Self.requestNumberOffset, as: Int32.self)
            var remaining = PacketHeader.byteCount + Int(UInt32(bigEndian: bodyByteCount))
            while remaining > 0 {
                let bodyByteCount = min(remaining, BoxFrame.maximumBodyByteCount)
                sealer.seal(bodyByteCount: bodyByteCount, at: offset, in: &laidOut)
                offset += BoxFrame.headerByteCount + bodyByteCount
                remaining -= bodyByteCount
            }
        }
    }

    private mutating func seal(bodyByteCount: Int, at offset: Int, in buffer: inout ByteBuffer) {
        let start = offset - buffer.readerIndex
        var bytes = buffer.mutableReadableBytesSpan
        sealer.seal(bodyByteCount: bodyByteCount, at: start, in: &bytes)
    }
}
