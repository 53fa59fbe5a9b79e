internal import BoxStream
internal import MuxRPC
internal import NIOCore
internal import SecretHandshake
internal import TypedSodium

/// A peer of a portal that cuts its boxes as it is told, as other programs do.
final class RawPeer {
    let key: PublicKey
    private var handshake: ClientHandshake
    private var sealer: Sealer?
    private var opener: Opener?
    private var arrived = ByteBuffer()
    private var reader = PacketReader()
    /// How long the body is that a header has announced.
    private var awaitedByteCount: Int?
    /// What is to be sent next.
    private var outbound = ByteBuffer()
    /// The packets that the portal has sent.
    private(set) var packets: [(header: PacketHeader, body: ByteBuffer)] = []

    /// A peer that shows `identity`, or a fresh one.
    init(to portal: PublicKey, as identity: Identity? = nil, network: NetworkIdentifier) throws {
        let identity = try identity ?? .random()
        key = identity.publicKey
        handshake = try ClientHandshake(
            network: network, identity: identity, server: portal, ephemeral: .random())
        outbound.writeBytes(handshake.hello)
    }

    /// Takes away what is to be sent.
    func takeOutbound() -> ByteBuffer {
        defer { outbound = ByteBuffer() }
        return outbound
    }

    /// Takes away the packets that have come.
    func takePackets() -> [(header: PacketHeader, body: ByteBuffer)] {
        defer { packets = [] }
        return packets
    }

    // MARK: Sending

    /// Sends a call, in one box.
    func call(_ json: String, isStream: Bool, number: Int32) {
        var packet = ByteBuffer()
        packet.writePacketHeader(
            PacketHeader(
                bodyType: .json, isStream: isStream, bodyByteCount: UInt32(json.utf8.count),
                requestNumber: number))
        packet.writeString(json)
        send(boxes: [packet])
    }

    /// Sends bodies of boxes, each as a box of its own.
    func send(boxes: [ByteBuffer]) {
        var frames = ByteBuffer()
        frames.reserveCapacity(boxes.reduce(0) { $0 + $1.readableBytes + BoxFrame.headerByteCount })
        var offsets: [(offset: Int, bodyByteCount: Int)] = []
        for box in boxes {
            offsets.append((frames.writerIndex, box.readableBytes))
            frames.writeRepeatingByte(0, count: BoxFrame.headerByteCount)
            frames.writeImmutableBuffer(box)
        }
        var span = frames.mutableReadableBytesSpan
        for frame in offsets { sealer?.seal(bodyByteCount: frame.bodyByteCount, at: frame.offset, in: &span) }
        if outbound.readableBytes == 0 { outbound = frames } else { outbound.writeImmutableBuffer(frames) }
    }

    // MARK: Receiving

    /// Takes what the portal has written.
    func receive(_ bytes: ByteBuffer) throws {
        arrived.writeImmutableBuffer(bytes)
        while let count = handshake.expectedByteCount, let message = arrived.readBytes(length: count) {
            switch try handshake.receive(message.span) {
            case .send(let message): outbound.writeBytes(message)
            case .establish(let keys):
                keys.take { encryptKey, encryptNonce, decryptKey, decryptNonce in
                    sealer = Sealer(key: encryptKey, nonce: encryptNonce)
                    opener = Opener(key: decryptKey, nonce: decryptNonce)
                }
            }
        }
        try openBoxes()
        arrived.discardReadBytes()
    }

    /// Whether packets can be sent.
    var isOpen: Bool { sealer != nil }

    private func openBoxes() throws {
        while opener != nil {
            if awaitedByteCount == nil {
                guard let header = arrived.readSlice(length: BoxFrame.headerByteCount) else { return }
                guard case .body(let byteCount)? = try opener?.openHeader(header.readableBytesSpan) else {
                    return
                }
                awaitedByteCount = byteCount
            }
            guard let byteCount = awaitedByteCount, let body = arrived.readSlice(length: byteCount) else {
                return
            }
            awaitedByteCount = nil
            try opener?.verify(body.readableBytesSpan)
            var plain = ByteBuffer()
            plain.writeWithOutputRawSpan(minimumWritableBytes: byteCount) { output in
                opener?.open(body.readableBytesSpan, into: &output)
            }
            while let item = reader.next(from: &plain) {
                if case .packet(let header, let body) = item { packets.append((header, body)) }
            }
        }
    }
}
