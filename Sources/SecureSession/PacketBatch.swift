internal import BoxStream
public import MuxRPC
public import NIOCore

/// Binary packets of one stream, laid out so that an outer session seals them where they stand.
///
/// Every packet starts behind 34 bytes of headroom. One that is longer than a box is interrupted by 34 bytes of
/// headroom wherever the next box begins; so where boxes begin follows from the packets' own headers. The
/// request number in those headers is a hole too, filled in when the batch is sealed.
public struct PacketBatch: Sendable {
    /// How much packets may take in a batch, laid out, where each counts as some bytes at least.
    package struct Limit: Sendable {
        let byteCount: Int
        /// How many packets there are.
        var packetCount: Int
        let leastPacketByteCount: Int

        /// A limit in bytes, for a batch that has so many packets.
        package init(byteCount: Int, packetCount: Int, leastPacketByteCount: Int) {
            self.byteCount = byteCount
            self.packetCount = packetCount
            self.leastPacketByteCount = leastPacketByteCount
        }

        /// Whether one packet more fits behind what the batch has.
        func allows(_ addedByteCount: Int, behind batchByteCount: Int) -> Bool {
            max(batchByteCount, packetCount * leastPacketByteCount) + addedByteCount <= byteCount
        }
    }

    var buffer: ByteBuffer

    /// An empty batch with room for that many bytes.
    public init(capacity: Int) {
        buffer = ByteBufferAllocator().buffer(capacity: capacity)
    }

    init(_ laidOut: ByteBuffer) { buffer = laidOut }

    /// What a packet with a body of that many bytes takes in a batch, its header and headroom included, in bytes.
    package static func byteCount(ofPacketWithBody bodyByteCount: Int) -> Int {
        let packet = PacketHeader.byteCount + bodyByteCount
        let (boxes, rest) = packet.quotientAndRemainder(dividingBy: BoxFrame.maximumBodyByteCount)
        return packet + (rest > 0 ? boxes + 1 : boxes) * BoxFrame.headerByteCount
    }

    /// What the batch holds in memory, headroom included, in bytes.
    public var byteCount: Int { buffer.readableBytes }

    /// What its buffer takes in memory, used or not, in bytes.
    package var capacity: Int { buffer.storageCapacity }

    /// Whether there is no packet in it.
    public var isEmpty: Bool { buffer.readableBytes == 0 }

    /// Lays out one packet, which costs a copy of its body: for packets that did not come as one box.
    public mutating func append(_ body: ByteBuffer, type: BodyType) {
        precondition(
            body.readableBytes > 0, "no peer gets a packet without a body: JavaScript takes it for goodbye")
        var body = body
        reserveHeadroom()
        buffer.writePacketHeader(
            PacketHeader(
                bodyType: type, isStream: true, bodyByteCount: UInt32(clamping: body.readableBytes),
                requestNumber: 0))
        var room = BoxFrame.maximumBodyByteCount - PacketHeader.byteCount
        while var piece = body.readSlice(length: min(room, body.readableBytes)), piece.readableBytes > 0 {
            buffer.writeBuffer(&piece)
            guard body.readableBytes > 0 else { return }
            reserveHeadroom()
            room = BoxFrame.maximumBodyByteCount
        }
    }

    /// Appends the packets of another batch, which are copied.
    package mutating func append(contentsOf other: PacketBatch) { buffer.writeImmutableBuffer(other.buffer) }

    /// Gives back what it does not use, at the cost of a copy; it has to be worth that.
    package mutating func shrink() { buffer.shrinkBufferCapacity(to: buffer.readableBytes) }

    /// The packets back to back, without headroom, under a stream's number.
    func packets(numbered number: Int32) -> ByteBuffer {
        var laidOut = buffer
        var packets = ByteBufferAllocator().buffer(capacity: byteCount)
        while laidOut.readableBytes > 0 {
            laidOut.moveReaderIndex(forwardBy: BoxFrame.headerByteCount)
            guard var header = laidOut.readPacketHeader() else { break }
            header.requestNumber = number
            packets.writePacketHeader(header)
            var remaining = Int(header.bodyByteCount)
            var room = BoxFrame.maximumBodyByteCount - PacketHeader.byteCount
            while var piece = laidOut.readSlice(length: min(room, remaining)) {
                remaining -= packets.writeBuffer(&piece)
                guard remaining > 0 else { break }
                laidOut.moveReaderIndex(forwardBy: BoxFrame.headerByteCount)
                room = BoxFrame.maximumBodyByteCount
            }
        }
        return packets
    }

    /// The packets' bodies, copied: for looking at them, not for passing them on.
    package var bodies: [ByteBuffer] {
        var packets = packets(numbered: 0)
        var bodies: [ByteBuffer] = []
        while let header = packets.readPacketHeader(),
            let body = packets.readSlice(length: Int(header.bodyByteCount))
        {
            bodies.append(body)
        }
        return bodies
    }

    /// Leaves 34 bytes for the header of a box; what they hold does not matter.
    mutating func reserveHeadroom() {
        buffer.reserveCapacity(minimumWritableBytes: BoxFrame.headerByteCount)
        buffer.moveWriterIndex(forwardBy: BoxFrame.headerByteCount)
    }
}
