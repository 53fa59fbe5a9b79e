internal import BoxStream
package import MuxRPC
package import NIOCore
package import SecretHandshake
package import TypedSodium
internal import Testing

/// A peer that cuts its boxes as it likes and sends any bytes, as other programs do and worse.
package final class RawPeer: WirePeer {
    package let key: PublicKey
    private var handshake: ClientHandshake
    private var sealer: Sealer?
    private var opener: Opener?
    private var arrived = ByteBuffer()
    private var outbound = ByteBuffer()
    private var reader = PacketReader()
    /// What the portal has sent.
    package private(set) var items: [PacketReader.Item] = []
    package private(set) var hasEnded = false

    package init(_ identity: Identity, to portal: PublicKey, network: NetworkIdentifier) throws {
        key = identity.publicKey
        handshake = try ClientHandshake(
            network: network, identity: identity, server: portal, ephemeral: .random())
        outbound.writeBytes(handshake.hello)
    }

    package func nextOutbound() -> ByteBuffer? {
        defer { outbound = ByteBuffer() }
        return outbound.readableBytes > 0 ? outbound : nil
    }

    package func receive(_ bytes: ByteBuffer) {
        arrived.writeImmutableBuffer(bytes)
        do {
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
        } catch {
            Issue.record("the portal sent what cannot be opened: \(error)")
        }
    }

    private func openBoxes() throws {
        guard opener != nil else { return }
        // Every buffer of the portal holds whole frames.
        while let header = arrived.readSlice(length: BoxFrame.headerByteCount) {
            guard case .body(let byteCount)? = try opener?.openHeader(header.readableBytesSpan) else {
                hasEnded = true
                return
            }
            let slice = arrived.readSlice(length: byteCount)
            let body = try #require(slice)
            try opener?.verify(body.readableBytesSpan)
            var plain = ByteBuffer()
            plain.writeWithOutputRawSpan(minimumWritableBytes: byteCount) { output in
                opener?.open(body.readableBytesSpan, into: &output)
            }
            while let item = reader.next(from: &plain) { items.append(item) }
        }
    }

    /// Sends bytes as one box.
    package func send(box bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        var frame = ByteBuffer(repeating: 0, count: BoxFrame.headerByteCount)
        frame.writeBytes(bytes)
        var span = frame.mutableReadableBytesSpan
        sealer?.seal(&span)
        outbound.writeImmutableBuffer(frame)
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
            send(box: Array(rest.prefix(4096)))
            rest = rest.dropFirst(4096)
        }
    }

    /// Sends a call as the JavaScript programs do.
    package func call(_ json: String, isStream: Bool = false, number: Int32) {
        send(type: .json, isStream: isStream, number: number, body: Array(json.utf8))
    }

    /// The bodies of what the portal has sent under a number, as text.
    package func texts(number: Int32) -> [String] {
        items.compactMap { item in
            guard case .packet(let header, let body) = item, header.requestNumber == number else {
                return nil
            }
            return String(buffer: body)
        }
    }
}
