import MuxRPC
import NIOCore

/// A session behind a reference, because the expectation macros take no noncopyable values.
final class TestedSession {
    private var session: Session

    init(_ manifest: Manifest = .tested, limits: Limits = .default, firstNumber: Int32 = 1) {
        session = Session(manifest: manifest, limits: limits, firstNumber: firstNumber)
    }

    var openRequestCount: Int { session.openRequestCount }
    var outboxByteCount: Int { session.outboxByteCount }

    /// Takes raw bytes, as one chunk.
    func receive(bytes: [UInt8], limits: Limits = .default) -> [SessionEvent] {
        var reader = PacketReader(limits: limits)
        var chunk = ByteBuffer(bytes: bytes)
        var events: [SessionEvent] = []
        while let item = reader.next(from: &chunk) {
            if let event = session.receive(item) { events.append(event) }
        }
        return events
    }

    func receive(_ item: PacketReader.Item) -> SessionEvent? { session.receive(item) }

    func receive(_ flags: UInt8, _ number: Int32, _ text: String) -> SessionEvent? {
        receive(bytes: packet(flags, number, text)).first
    }

    /// The request that these bytes make, and nothing else.
    func request(bytes: [UInt8]) -> Request? {
        guard case .request(let request) = receive(bytes: bytes).first else { return nil }
        return request
    }

    func request(_ flags: UInt8, _ number: Int32, _ text: String) -> Request? {
        request(bytes: packet(flags, number, text))
    }

    func call(_ name: [String], _ arguments: [JSONValue]) throws(MuxRPCError) -> RequestNumber {
        try session.call(name, arguments)
    }

    func open(_ kind: CallKind, _ name: [String], _ arguments: [JSONValue]) throws(MuxRPCError) -> StreamID {
        try session.open(kind, name, arguments)
    }

    func reply(to call: RequestNumber, with value: JSONValue) throws(MuxRPCError) {
        try session.reply(to: call, with: value)
    }

    func fail(_ call: RequestNumber, message: String) { session.fail(call, message: message) }
    func failAnswered(_ call: RequestNumber, message: String) { session.failAnswered(call, message: message) }

    func send(_ value: JSONValue, on stream: StreamID) throws(MuxRPCError) {
        try session.send(value, on: stream)
    }

    func send(_ bytes: ByteBuffer, on stream: StreamID) throws(MuxRPCError) {
        try session.send(bytes, on: stream)
    }

    func header(forBinary count: Int, on stream: StreamID) -> PacketHeader {
        session.header(forBinary: count, on: stream)
    }

    func end(_ stream: StreamID) { session.end(stream) }
    func endAwaitingAnswer(_ stream: StreamID) { session.endAwaitingAnswer(stream) }
    var awaitedEndCount: Int { session.awaitedEndCount }
    func fail(_ stream: StreamID, message: String) { session.fail(stream, message: message) }
    func isOpen(_ stream: StreamID) -> Bool { session.isOpen(stream) }
    func sayGoodbye() { session.sayGoodbye() }
    func transportEnded() -> [SessionEvent] { session.transportEnded() }

    /// Takes what the session sends, as bytes.
    func outbox() -> [UInt8] { Array(buffer: session.takeOutbox() ?? ByteBuffer()) }

    /// Takes what the session sends, cut into packets.
    func sent() -> [Sent] {
        var bytes = ByteBuffer(bytes: outbox())
        var packets: [Sent] = []
        while let header = bytes.readPacketHeader() {
            let body = bytes.readSlice(length: Int(header.bodyByteCount)) ?? ByteBuffer()
            packets.append(Sent(header.flags, header.requestNumber, String(buffer: body)))
        }
        return packets
    }
}
