internal import Multiserver
internal import MuxRPC
internal import NIOCore
internal import SecretHandshake
internal import TypedSodium

/// The adversary's muxrpc on one conversation: honest calls, the misdeed, a probe, and answers to what is asked.
final class Speaker {
    /// What concerns a tunnel, and so the adversary's other conversation.
    enum Turn {
        case established
        case tunnelOpened(number: Int32)
        case bytes(number: Int32, ByteBuffer)
        case ended(number: Int32)
    }

    let conversation: Conversation
    private let misdeed: Misdeed?
    private let honestCallCount: Int
    private let context: AdversaryContext
    private var random: SeededRandom
    private var nextNumber: Int32 = 1
    private var probeNumber: Int32?
    private var breachedNumber: Int32?

    /// Whether tunnels are answered by a conversation inside them, or with an error.
    var answersTunnels = false
    private var hasCommitted = false
    /// Whether the call behind the misdeed got its answer.
    private(set) var probeIsAnswered = false
    /// The end that the stream of a stream misdeed got, as text.
    private(set) var breachAnswer: String?
    /// Whether the other side's goodbye was heard.
    private(set) var hasHeardGoodbye = false

    init(
        _ conversation: Conversation, misdeed: Misdeed?, honestCallCount: Int,
        in context: AdversaryContext, random: SeededRandom
    ) {
        self.conversation = conversation
        self.misdeed = misdeed
        self.honestCallCount = honestCallCount
        self.context = context
        self.random = random
    }

    func receive(_ bytes: ByteBuffer) -> [Turn] {
        conversation.receive(bytes).compactMap(turn)
    }

    /// Whether the misdeed is done.
    var isSpent: Bool { hasCommitted || conversation.isSpoilt }

    // MARK: Saying

    /// Opens a tunnel and returns its number.
    func openTunnel() -> Int32 {
        let arguments =
            #"[{"portal":"\#(context.portal.id)","target":"\#(context.targetName)","instance":0}]"#
        let number = takeNumbers(1)
        conversation.send([.open(number, "tunnel.connect", arguments)])
        return number
    }

    func send(_ bytes: [UInt8], on number: Int32) {
        let limit = Int.random(in: 1...60_000, using: &random)
        for start in stride(from: 0, to: bytes.count, by: limit) {
            let piece = Array(bytes[start..<min(start + limit, bytes.count)])
            conversation.send([HandmadePacket(HandmadePacket.Flags.bytes, number, piece)])
        }
    }

    func end(_ number: Int32) { conversation.send([.end(number)]) }

    private func takeNumbers(_ count: Int32) -> Int32 {
        defer { nextNumber += count }
        return nextNumber
    }

    private func begin() {
        let names = ["manifest", "tunnel.ping", "whoami", "tunnel.isRoom"]
        for _ in 0..<honestCallCount {
            conversation.send([.call(takeNumbers(1), names.randomElement(using: &random) ?? names[0])])
        }
        commit()
    }

    private func commit() {
        switch misdeed {
        case .box(let deed):
            let calls = [takeNumbers(1), takeNumbers(1)].map { HandmadePacket.call($0, "manifest") }
            conversation.commit(deed, around: calls)
        case .packet(let deed):
            conversation.send(deed.packets(from: takeNumbers(10_000), in: context, &random))
        case .stream(let deed):
            let number = takeNumbers(1)
            conversation.send([.open(number, "service.open", #"[{"name":"\#(context.service)"}]"#)])
            breach(deed, on: number)
        case .handshake, nil:
            return
        }
        hasCommitted = true
        guard misdeed?.consequence == .survival else { return }
        let number = takeNumbers(1)
        probeNumber = number
        conversation.send([.call(number, "manifest")])
    }

    private func breach(_ deed: StreamMisdeed, on number: Int32) {
        breachedNumber = breachedNumber ?? number
        conversation.send(deed.packets(on: number, &random))
    }

    // MARK: Hearing

    private func turn(_ heard: Conversation.Heard) -> Turn? {
        switch heard {
        case .established:
            begin()
            return .established
        case .goodbye:
            hasHeardGoodbye = true
            conversation.send([.goodbye])
            conversation.sayGoodbye()
            return nil
        case .packet(let header, let body):
            return header.requestNumber > 0 ? asked(header, body) : answered(header, body)
        }
    }

    private func answered(_ header: PacketHeader, _ body: ByteBuffer) -> Turn? {
        let number = 0 &- header.requestNumber
        if number == probeNumber { probeIsAnswered = true }
        guard header.isStream else { return nil }
        if header.isEnd { return ended(number, body) }
        return header.bodyType == .binary ? .bytes(number: number, body) : nil
    }

    private func asked(_ header: PacketHeader, _ body: ByteBuffer) -> Turn? {
        let number = header.requestNumber
        if header.isEnd {
            conversation.send([.end(-number)])
            return ended(-number, body)
        }
        if header.isStream, header.bodyType == .binary { return .bytes(number: -number, body) }
        guard header.bodyType == .json, let call = try? JSONValue(parsing: body), call["args"] != nil else {
            return nil
        }
        let parts = call["name"]?.array ?? [call["name"] ?? .null]
        let name = parts.compactMap(\.string).joined(separator: ".")
        return header.isStream ? opened(name, number) : called(name, number)
    }

    private func ended(_ number: Int32, _ body: ByteBuffer) -> Turn {
        if number == breachedNumber, breachAnswer == nil { breachAnswer = String(buffer: body) }
        return .ended(number: number)
    }

    private func called(_ name: String, _ number: Int32) -> Turn? {
        let answers = [
            "manifest": #"{"tunnel":{"connect":"duplex","announce":"async","ping":"async"}}"#,
            "tunnel.announce": "true", "tunnel.isRoom": "true", "tunnel.ping": "1700000000000",
            "tunnel.leave": "true", "service.list": "[\"\(context.service)\"]",
            "whoami": "{\"id\":\"\(context.identity.publicKey.id)\"}", "invite.use": "true",
            "room.metadata":
                #"{"name":"room","membership":false,"features":["tunnel","room1","companionway1"]}"#,
        ]
        if let answer = answers[name] {
            conversation.send([HandmadePacket(HandmadePacket.Flags.call, -number, answer)])
        } else {
            let message = "method:\(name) is not in list of allowed methods"
            conversation.send([.error(-number, message, isStream: false)])
        }
        return nil
    }

    private func opened(_ name: String, _ number: Int32) -> Turn? {
        switch name {
        case "tunnel.connect" where answersTunnels:
            return .tunnelOpened(number: -number)
        case "service.open", "echo":
            guard case .stream(let deed)? = misdeed else { return nil }
            breach(deed, on: -number)
        case "tunnel.endpoints":
            conversation.send([HandmadePacket(HandmadePacket.Flags.open, -number, "[]")])
        case "room.attendants":
            conversation.send([
                HandmadePacket(HandmadePacket.Flags.open, -number, #"{"type":"state","ids":[]}"#)
            ])
        default:
            conversation.send([.error(-number, "could not connect", isStream: true)])
        }
        return nil
    }
}
