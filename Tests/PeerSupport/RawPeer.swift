internal import BoxStream
package import MuxRPC
package import NIOCore
package import SecretHandshake
package import TypedSodium

/// A peer that cuts its boxes as it likes and sends any bytes, as other programs do and worse.
///
/// Bytes come in with ``take(_:)`` and leave with ``nextOutbound()``; it has no socket and no clock.
package final class RawPeer {
    /// How other programs cut what is longer than a box.
    private static let boxByteCount = 4096

    package let key: PublicKey
    private var handshake: ClientHandshake
    private var sealer: Sealer?
    private var opener: Opener?
    private var arrived = ByteBuffer()
    private var reader = PacketReader()
    /// How long the body is that a header has announced.
    private var awaitedByteCount: Int?
    private var outbound = ByteBuffer()
    /// What the other side has sent.
    package private(set) var items: [PacketReader.Item] = []
    /// Whether the other side has said goodbye.
    package private(set) var hasEnded = false

    package init(_ identity: Identity, to server: PublicKey, network: NetworkIdentifier) throws {
        key = identity.publicKey
        handshake = try ClientHandshake(
            network: network, identity: identity, server: server, ephemeral: .random())
        outbound.writeBytes(handshake.hello)
    }

    /// Whether packets can be sent.
    package var isOpen: Bool { sealer != nil }

    /// Takes away what is to be sent.
    package func nextOutbound() -> ByteBuffer? {
        defer { outbound = ByteBuffer() }
        return outbound.readableBytes > 0 ? outbound : nil
    }

    // MARK: Receiving

    /// Takes what the other side has written.
    package func take(_ bytes: ByteBuffer) throws {
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

    /// Takes away the packets that have come.
    package func takePackets() -> [(header: PacketHeader, body: ByteBuffer)] {
        defer { items = [] }
        return items.compactMap { item in
            guard case .packet(let header, let body) = item else { return nil }
            return (header, body)
        }
    }

    /// The bodies of what has come under a number, as text.
    package func texts(number: Int32) -> [String] {
        items.compactMap { item in
            guard case .packet(let header, let body) = item, header.requestNumber == number else {
                return nil
            }
            return String(buffer: body)
        }
    }

    private func openBoxes() throws {
        while opener != nil, !hasEnded {
            if awaitedByteCount == nil {
                guard let header = arrived.readSlice(length: BoxFrame.headerByteCount) else { return }
                guard case .body(let byteCount)? = try opener?.openHeader(header.readableBytesSpan) else {
                    hasEnded = true
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
            while let item = reader.next(from: &plain) { items.append(item) }
        }
    }

    // MARK: Sending

    /// Sends bodies of boxes, each as a box of its own.
    package func send(boxes: [ByteBuffer]) {
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

    /// Sends bytes as one box.
    package func send(box bytes: [UInt8]) {
        if !bytes.isEmpty { send(boxes: [ByteBuffer(bytes: bytes)]) }
    }

    /// Sends a packet as the JavaScript programs do: header and body in boxes of their own, cut at 4096.
    package func send(
        type: BodyType? = .binary, isStream: Bool = true, isEnd: Bool = false, number: Int32, body: [UInt8]
    ) {
        var header = ByteBuffer()
        header.writePacketHeader(
            PacketHeader(
                bodyType: type, isStream: isStream, isEnd: isEnd, bodyByteCount: UInt32(body.count),
                requestNumber: number))
        send(box: Array(header.readableBytesView))
        var rest = body[...]
        while !rest.isEmpty {
            send(box: Array(rest.prefix(Self.boxByteCount)))
            rest = rest.dropFirst(Self.boxByteCount)
        }
    }

    /// Sends a call as the JavaScript programs do.
    package func call(_ json: String, isStream: Bool = false, number: Int32) {
        send(type: .json, isStream: isStream, number: number, body: Array(json.utf8))
    }
}
