internal import MuxRPC
internal import NIOCore
internal import SecretHandshake
internal import TypedSodium

/// One secure connection as the adversary keeps it: handshake, boxes and packets, without an opinion on muxrpc.
///
/// The handshake and single frames may be spoilt; then it neither hears nor says anything more.
final class Conversation {
    enum Side {
        case client(of: PublicKey)
        case server
    }

    enum Heard {
        case established
        case packet(PacketHeader, ByteBuffer)
        case goodbye
    }

    private let network: NetworkIdentifier
    private let handshakeMisdeed: HandshakeMisdeed?
    private let spoiltOrdinal: Int
    private var random: SeededRandom
    private var client: ClientHandshake?
    private var server: ServerHandshake?
    private var boxes: HandmadeBoxes?
    private var hello: [UInt8] = []
    private var awaitedBody: (byteCount: Int, tag: [UInt8])?
    private var arrived = ByteBuffer()
    private var packets: PacketReader
    private var output: [UInt8] = []

    /// Whether the misdeed was one of the handshake and is done.
    private(set) var isSpoilt = false
    /// Whether nothing more is said or heard.
    private(set) var isOver = false
    /// Whether the connection ends when everything is said.
    private(set) var hangsUp = false
    /// What the other side did wrong; an honest one does nothing wrong.
    private(set) var complaints: [String] = []

    init(
        _ side: Side, as identity: Identity, network: NetworkIdentifier, misdeed: HandshakeMisdeed?,
        random: SeededRandom
    ) {
        var random = random
        self.network = network
        handshakeMisdeed = misdeed
        var limits = Limits.default
        limits.streamBodyByteCount = limits.jsonBodyByteCount
        packets = PacketReader(limits: limits)
        let ephemeral = Self.ephemeral(&random)
        switch side {
        case .client(let server):
            spoiltOrdinal = misdeed?.ordinal(isClient: true, &random) ?? 0
            self.random = random
            client = try? ClientHandshake(
                network: network, identity: identity, server: server, ephemeral: ephemeral)
            hello = client?.hello ?? []
            say(hello, ordinal: 1, heard: [])
        case .server:
            spoiltOrdinal = misdeed?.ordinal(isClient: false, &random) ?? 0
            self.random = random
            server = ServerHandshake(network: network, identity: identity, ephemeral: ephemeral)
        }
    }

    private static func ephemeral(_ random: inout SeededRandom) -> EphemeralKeyPair {
        do {
            return EphemeralKeyPair(secret: try SecretKey(copying: random.bytes(32).span))
        } catch {
            preconditionFailure("32 bytes are a key: \(error)")
        }
    }

    // MARK: Saying

    /// What is to be sent.
    func takeOutput() -> [UInt8] {
        defer { output = [] }
        return output
    }

    /// Sends packets in genuine boxes, aligned with them in one of several ways.
    func send(_ packets: [HandmadePacket]) {
        guard !isOver, boxes != nil else { return }
        let style = Int.random(in: 0...3, using: &random)
        if style == 0 {
            for packet in packets { seal(packet.bytes, cutAt: HandmadeBoxes.maximumBodyByteCount) }
        } else if style == 1 {
            for packet in packets {
                seal(Array(packet.bytes.prefix(PacketHeader.byteCount)), cutAt: PacketHeader.byteCount)
                seal(packet.body, cutAt: HandmadeBoxes.maximumBodyByteCount)
            }
        } else {
            let limit =
                style == 2 ? HandmadeBoxes.maximumBodyByteCount : Int.random(in: 100...4000, using: &random)
            seal(packets.flatMap(\.bytes), cutAt: limit)
        }
    }

    /// Sends frames that are wrong; nothing is said behind them.
    func commit(_ misdeed: BoxMisdeed, around calls: [HandmadePacket]) {
        guard !isOver, var boxes = boxes.take() else { return }
        output += misdeed.frames(around: calls, with: &boxes, &random)
        self.boxes = consume boxes
        if misdeed.consequence != .survival { end(hangingUp: misdeed.hangsUp) }
    }

    /// Says the box-stream goodbye, behind which nothing is said.
    func sayGoodbye() {
        guard !isOver else { return }
        output += boxes?.goodbye() ?? []
        end(hangingUp: true)
    }

    /// Neither hears nor says anything more.
    func end(hangingUp: Bool) {
        isOver = true
        hangsUp = hangsUp || hangingUp
        arrived = ByteBuffer()
    }

    private func seal(_ bytes: [UInt8], cutAt limit: Int) { output += boxes?.seal(bytes, cutAt: limit) ?? [] }

    private func say(_ message: [UInt8], ordinal: Int, heard: [UInt8]) {
        guard let misdeed = handshakeMisdeed, ordinal == spoiltOrdinal else {
            output += message
            return
        }
        output += misdeed.bytes(
            insteadOf: message, own: ordinal == 1 ? message : hello, heard: heard, network: network, &random)
        isSpoilt = true
        end(hangingUp: misdeed.hangsUp)
    }

    // MARK: Hearing

    func receive(_ bytes: ByteBuffer) -> [Heard] {
        guard !isOver else { return [] }
        arrived.writeImmutableBuffer(bytes)
        var heard: [Heard] = []
        while !isOver {
            if let expected = client?.expectedByteCount ?? server?.expectedByteCount {
                guard let message = arrived.readBytes(length: expected) else { break }
                if shake(message) { heard.append(.established) }
            } else {
                guard let plain = openNext() else { break }
                var chunk = ByteBuffer(bytes: plain)
                while let item = packets.next(from: &chunk) { take(item, into: &heard) }
            }
        }
        return heard
    }

    private func take(_ item: PacketReader.Item, into heard: inout [Heard]) {
        switch item {
        case .packet(let header, let body): heard.append(.packet(header, body))
        case .goodbye: heard.append(.goodbye)
        case .oversized(let header): complain("a packet of \(header.bodyByteCount) bytes")
        }
    }

    /// Whether the message completed the handshake.
    private func shake(_ message: [UInt8]) -> Bool {
        do throws(HandshakeError) {
            return client == nil ? try answerClient(message) : try answerServer(message)
        } catch {
            complain("handshake: \(error)")
            return false
        }
    }

    private func answerServer(_ message: [UInt8]) throws(HandshakeError) -> Bool {
        switch try client?.receive(message.span) {
        case .send(let authenticate):
            say(authenticate, ordinal: 2, heard: message)
            return false
        case .establish(let keys):
            client = nil
            boxes = HandmadeBoxes(keys)
            return true
        case nil:
            return false
        }
    }

    private func answerClient(_ message: [UInt8]) throws(HandshakeError) -> Bool {
        switch try server?.receive(message.span) {
        case .send(let hello):
            self.hello = hello
            say(hello, ordinal: 1, heard: message)
            return false
        case .decide:
            guard let acceptance = try server?.accept() else { return false }
            say(acceptance.message, ordinal: 2, heard: message)
            server = nil
            guard !isOver else { return false }
            boxes = HandmadeBoxes(acceptance.keys)
            return true
        case nil:
            return false
        }
    }

    /// The plaintext of the next frame, or nothing when it has not arrived whole.
    private func openNext() -> [UInt8]? {
        if awaitedBody == nil {
            guard let box = arrived.readBytes(length: HandmadeBoxes.headerByteCount) else { return nil }
            guard let header = boxes?.openHeader(box) else { return complain("a forged header") }
            guard header.byteCount > 0 else {
                if header.tag.contains(where: { $0 != 0 }) { complain("an empty body") }
                end(hangingUp: true)
                return nil
            }
            guard header.byteCount <= HandmadeBoxes.maximumBodyByteCount else {
                return complain("a body of \(header.byteCount) bytes")
            }
            awaitedBody = header
        }
        guard let awaited = awaitedBody, let body = arrived.readBytes(length: awaited.byteCount) else {
            return nil
        }
        awaitedBody = nil
        guard let plain = boxes?.open(body, tag: awaited.tag) else { return complain("a forged body") }
        return plain
    }

    @discardableResult
    private func complain(_ complaint: String) -> [UInt8]? {
        complaints.append(complaint)
        end(hangingUp: true)
        return nil
    }
}
