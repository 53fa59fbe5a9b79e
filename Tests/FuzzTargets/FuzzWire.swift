internal import BoxStream
internal import MuxRPC
internal import NIOCore
internal import SecretHandshake
internal import TypedSodium

/// A peer that shakes hands honestly and then says what the fuzzer wants; what it hears then it does not look at.
final class FuzzPeer {
    private enum Half: ~Copyable {
        case client(ClientHandshake)
        case server(ServerHandshake)
        case done
    }

    private var half: Half
    private var sealer: Sealer?
    private var arrived = ByteBuffer()
    private(set) var output = ByteBuffer()

    init(dialling server: PublicKey, as identity: Identity) {
        do {
            let client = try ClientHandshake(
                network: FuzzKeys.network, identity: identity, server: server, ephemeral: .random())
            output.writeBytes(client.hello)
            half = .client(client)
        } catch {
            preconditionFailure("honest keys are usable: \(error)")
        }
    }

    init(answeringAs identity: Identity) {
        half = .server(
            ServerHandshake(network: FuzzKeys.network, identity: identity, ephemeral: .random()))
    }

    var isOpen: Bool { sealer != nil }

    func takeOutput() -> ByteBuffer? {
        guard output.readableBytes > 0 else { return nil }
        defer { output = ByteBuffer() }
        return output
    }

    func receive(_ bytes: ByteBuffer) {
        guard !isOpen else { return }
        arrived.writeImmutableBuffer(bytes)
        do {
            try shakeHands()
        } catch {
            half = .done
        }
    }

    private func shakeHands() throws {
        while true {
            var current = Half.done
            swap(&current, &half)
            switch consume current {
            case .client(var client):
                let count = client.expectedByteCount ?? 0
                guard count > 0, let message = arrived.readBytes(length: count) else {
                    half = .client(client)
                    return
                }
                switch try client.receive(message.span) {
                case .send(let answer):
                    output.writeBytes(answer)
                    half = .client(client)
                case .establish(let keys): return open(keys)
                }
            case .server(var server):
                let count = server.expectedByteCount ?? 0
                guard count > 0, let message = arrived.readBytes(length: count) else {
                    half = .server(server)
                    return
                }
                switch try server.receive(message.span) {
                case .send(let answer):
                    output.writeBytes(answer)
                    half = .server(server)
                case .decide:
                    let acceptance = try server.accept()
                    output.writeBytes(acceptance.message)
                    return open(acceptance.keys)
                }
            case .done:
                return
            }
        }
    }

    private func open(_ keys: consuming SessionKeys) {
        keys.take { encryptKey, encryptNonce, _, _ in
            sealer = Sealer(key: encryptKey, nonce: encryptNonce)
        }
    }

    // MARK: Saying

    /// Sends bytes in genuine boxes, cut where the fuzzer wants.
    func send(_ bytes: [UInt8], cutAt limit: Int = BoxFrame.maximumBodyByteCount) {
        for start in stride(from: 0, to: bytes.count, by: max(1, limit)) {
            var frame = ByteBuffer(repeating: 0, count: BoxFrame.headerByteCount)
            frame.writeBytes(bytes[start..<min(start + max(1, limit), bytes.count)])
            var span = frame.mutableReadableBytesSpan
            sealer?.seal(&span)
            output.writeImmutableBuffer(frame)
        }
    }

    func sendGoodbye() {
        if let goodbye = sealer?.goodbye() { output.writeBytes(goodbye) }
        sealer = nil
    }

    /// Sends bytes as they are, in place of a box.
    func sendRaw(_ bytes: [UInt8]) { output.writeBytes(bytes) }
}

extension FuzzInput {
    /// A packet, genuine or nearly so.
    mutating func packet(_ calls: [String]) -> [UInt8] {
        var bytes = ByteBuffer()
        switch choice(6) {
        case 0, 1:
            let call = Array(calls[choice(calls.count)].utf8)
            let isStream = choice(2) == 1
            write(flags: isStream ? 0x0a : 0x02, number: 1 + choice(12), spoil(call), into: &bytes)
        case 2:
            write(flags: 0x08, number: choice(14) - 7, take(choice(200)), into: &bytes)
        case 3:
            write(flags: 0x0e, number: choice(14) - 7, Array("true".utf8), into: &bytes)
        case 4:
            // A long body, of which the claim is right.
            let body = [UInt8](repeating: byte(), count: number())
            write(flags: Int(byte()) & 0x0f, number: choice(14) - 7, body, into: &bytes)
        default:
            let body = take(choice(64))
            bytes.writeInteger(byte())
            bytes.writeInteger(
                choice(3) == 0 ? UInt32(number()) << 16 | UInt32(number()) : UInt32(body.count))
            bytes.writeInteger(Int32(truncatingIfNeeded: number()) &- 16)
            bytes.writeBytes(body)
        }
        return Array(bytes.readableBytesView)
    }

    private func write(flags: Int, number: Int, _ body: [UInt8], into bytes: inout ByteBuffer) {
        bytes.writeInteger(UInt8(truncatingIfNeeded: flags))
        bytes.writeInteger(UInt32(body.count))
        bytes.writeInteger(Int32(truncatingIfNeeded: number))
        bytes.writeBytes(body)
    }
}
