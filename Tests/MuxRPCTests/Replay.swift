import MuxRPC
import NIOCore

/// One connection of a trace played again, our session in one of the two seats.
///
/// What the recorded program of our seat did, our session is told to do; what came from the other seat, it
/// receives.
final class Replay {
    /// What came of it.
    struct Outcome: Equatable {
        var requests: [String] = []
        var replies = 0
        var failures = 0
        var lateFailures = 0
        var packets = 0
        var ends = 0
        var goodbyes = 0
        var sentAsRecorded = 0
        var sentAlike = 0
    }

    private(set) var outcome = Outcome()
    private let session = TestedSession(.recorded)
    private var readers = (ours: Cutter(), theirs: Cutter())
    private var requests: [Int32: RequestNumber] = [:]

    /// The recorded packets that our session has sent otherwise.
    private(set) var differences: [String] = []

    /// Plays all chunks; `isRecorder` puts our session into the recording program's seat.
    init(_ chunks: [Trace.Chunk], isRecorder: Bool) throws {
        for chunk in chunks {
            if chunk.isReceived == isRecorder {
                for item in readers.theirs.cut(chunk.bytes) { note(session.receive(item)) }
            } else {
                for item in readers.ours.cut(chunk.bytes) { try act(item) }
            }
        }
    }

    /// Whether every packet was cut out whole, on both sides.
    var isAtPacketBoundary: Bool { readers.ours.isAtBoundary && readers.theirs.isAtBoundary }

    private func note(_ event: RPCEvent?) {
        switch event {
        case .request(let request)?:
            outcome.requests.append(request.name.joined(separator: "."))
            if request.kind == .async { requests[request.number.value] = request.number }
        case .reply(_, .failure)?: outcome.failures += 1
        case .reply?: outcome.replies += 1
        case .lateFailure?: outcome.lateFailures += 1
        case .data?: outcome.packets += 1
        case .ended?: outcome.ends += 1
        case .goodbye?: outcome.goodbyes += 1
        case nil: break
        }
    }

    /// Does what the recorded packet did, and compares what is sent with it.
    private func act(_ item: PacketReader.Item) throws {
        guard case .packet(let header, let body) = item else { return session.sayGoodbye() }
        _ = session.outbox()
        let stream = StreamID(sentNumber: header.requestNumber)
        let value = try? JSONValue(parsing: body)
        if header.requestNumber > 0, let call = value?.object, call["name"] != nil, call["args"] != nil {
            try makeCall(call)
        } else if header.isStream {
            // One that is not open was ended from the other seat, and answered by our session itself.
            guard session.isOpen(stream) else { return }
            try sendOnStream(header, body, value, stream)
        } else if let request = requests.removeValue(forKey: -header.requestNumber) {
            if header.isEnd {
                session.fail(request, message: value?["message"]?.string ?? "")
            } else {
                try session.reply(to: request, with: value ?? nil)
            }
        } else {
            return  // answered by our session itself, or the junk that JavaScript and Go send each other
        }
        compare(header, body)
    }

    private func makeCall(_ call: JSONObject) throws {
        let name = call["name"]?.array?.compactMap(\.string) ?? [call["name"]?.string ?? ""]
        let kind = CallKind(rawValue: call["type"]?.string ?? "async") ?? .async
        let arguments = call["args"]?.array ?? []
        if kind == .async {
            _ = try session.call(name, arguments)
        } else {
            _ = try session.open(kind, name, arguments)
        }
    }

    private func sendOnStream(
        _ header: PacketHeader, _ body: ByteBuffer, _ value: JSONValue?, _ stream: StreamID
    ) throws {
        if header.isEnd, let message = value?["message"]?.string {
            session.fail(stream, message: message)
        } else if header.isEnd {
            session.end(stream)
        } else if header.bodyType == .json, let value {
            try session.send(value, on: stream)
        } else {
            try session.send(body, on: stream)
        }
    }

    /// Wants the recorded bytes, but for what is nobody's business in an error, and Go's line feed.
    private func compare(_ header: PacketHeader, _ body: ByteBuffer) {
        let recorded = Sent(header.flags, header.requestNumber, String(buffer: body))
        let sent = session.sent()
        if sent == [recorded] {
            outcome.sentAsRecorded += 1
        } else if sent.map(\.withoutStack) == [recorded.withoutStack] {
            outcome.sentAlike += 1
        } else {
            differences.append(recorded.text)
        }
    }
}

extension Sent {
    /// The packet with its JSON printed anew, and of an error only the message.
    fileprivate var withoutStack: Sent {
        guard let value = try? JSONValue(parsing: ByteBuffer(string: text)) else { return self }
        let isError = flags & 4 != 0 && value["message"] != nil
        return Sent(flags, number, (isError ? value["message"] : value)?.description ?? "")
    }
}

/// A packet reader behind a reference.
private final class Cutter {
    private var reader = PacketReader()

    var isAtBoundary: Bool { reader.isAtPacketBoundary }

    func cut(_ bytes: [UInt8]) -> [PacketReader.Item] {
        var chunk = ByteBuffer(bytes: bytes)
        var items: [PacketReader.Item] = []
        while let item = reader.next(from: &chunk) { items.append(item) }
        return items
    }
}

extension Manifest {
    /// What any of the recorded programs offers.
    static let recorded: Manifest = [
        "whoami": .sync, "gossip.ping": .duplex, "echo": .duplex, "tunnel.announce": .async,
        "tunnel.leave": .async, "tunnel.isRoom": .async, "tunnel.ping": .async, "tunnel.connect": .duplex,
        "tunnel.endpoints": .source, "room.metadata": .async, "room.attendants": .source,
    ]
}
