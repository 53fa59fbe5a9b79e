internal import BoxStream
internal import MuxRPC
internal import NIOCore
internal import TypedSodium

/// How a program puts a full frame of an inner session into boxes of the outer one.
enum InnerFrameCut: String, CaseIterable {
    /// Ours: an inner frame of 4087 bytes and its packet's header fill one box.
    case aligned
    /// A frame with the longest inner body, 4130 bytes, as one packet: it spills 43 bytes into a second box.
    case spilled
    /// What ssb-tunnel does: the inner header and the inner body are packets of their own, and of each packet
    /// the header and the body are boxes of their own.
    case javascript = "JavaScript's"

    /// How much an inner frame brings for a user, its own muxrpc header left out, in bytes.
    var payloadByteCount: Int {
        let innerBody = self == .aligned ? 4053 : BoxFrame.maximumBodyByteCount
        return innerBody - PacketHeader.byteCount
    }

    /// The packets of an inner frame: their bodies' lengths, in bytes.
    private var packetByteCounts: [Int] {
        switch self {
        case .aligned: [BoxFrame.maximumBodyByteCount - PacketHeader.byteCount]
        case .spilled: [BoxFrame.headerByteCount + BoxFrame.maximumBodyByteCount]
        case .javascript: [BoxFrame.headerByteCount, BoxFrame.maximumBodyByteCount]
        }
    }

    /// Lays out the boxes of so many inner frames under a request number, to be sealed.
    func boxes(frameCount: Int, number: Int32, filling: (Int) -> ByteBuffer) -> [ByteBuffer] {
        var boxes: [ByteBuffer] = []
        for _ in 0..<frameCount {
            for byteCount in packetByteCounts {
                var header = ByteBuffer()
                header.writePacketHeader(
                    PacketHeader(
                        bodyType: .binary, isStream: true, bodyByteCount: UInt32(byteCount),
                        requestNumber: number))
                var body = filling(byteCount)
                switch self {
                case .aligned, .spilled:
                    header.writeBuffer(&body)
                    while let piece = header.readSlice(
                        length: min(header.readableBytes, BoxFrame.maximumBodyByteCount)),
                        piece.readableBytes > 0
                    {
                        boxes.append(piece)
                    }
                case .javascript:
                    boxes += [header, body]
                }
            }
        }
        return boxes
    }
}
