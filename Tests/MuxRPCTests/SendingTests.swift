import MuxRPC
import NIOCore
import TestSupport
import Testing

@Suite("What a session sends")
struct SendingTests {
    let session = TestedSession()

    static func frame(_ name: String) throws -> [UInt8] { try #require(try Vectors.frames()[name]).bytes }

    @Test("an async call, as JavaScript writes it")
    func asyncCall() throws {
        #expect(try session.call(["whoami"], []).value == 1)
        #expect(try session.outbox() == Self.frame("request async"))
    }

    @Test("an opened duplex, its packets from the caller and its end, as JavaScript writes them")
    func duplexFromCaller() throws {
        _ = try session.call(["whoami"], [])
        let stream = try session.open(
            .duplex, ["tunnel", "connect"], [["target": "t", "instance": 0]])
        #expect(stream.sentNumber == 2)
        _ = session.outbox()
        try session.send(ByteBuffer(string: "hello"), on: stream)
        #expect(try session.outbox() == Self.frame("stream binary from caller"))
        session.end(stream)
        #expect(try session.outbox() == Self.frame("stream end"))
        session.end(stream)
        session.fail(stream, message: "again")
        #expect(session.outbox() == [])
    }

    @Test("the opening itself, for each kind")
    func openings() throws {
        _ = try session.call(["whoami"], [])
        _ = session.outbox()
        _ = try session.open(.duplex, ["tunnel", "connect"], [["target": "t", "instance": 0]])
        #expect(try session.outbox() == Self.frame("open duplex"))
        _ = try session.open(.source, ["a"], [])
        #expect(
            session.outbox().hex == "0a0000002800000003"
                + Array(#"{"name":["a"],"args":[],"type":"source"}"#.utf8).hex)
        _ = try session.open(.sink, ["a"], [1])
        #expect(
            session.outbox().hex == "0a0000002700000004"
                + Array(#"{"name":["a"],"args":[1],"type":"sink"}"#.utf8).hex
        )
    }

    @Test(
        "a reply, as JavaScript writes it",
        arguments: [
            ("reply json", ["id": "x"]), ("reply undefined becomes json false", false), ("reply null", nil),
            ("reply true", true),
        ] as [(String, JSONValue)])
    func replies(_ name: String, _ value: JSONValue) throws {
        let request = try #require(session.request(bytes: try Self.frame("request async")))
        try session.reply(to: request.number, with: value)
        #expect(try session.outbox() == Self.frame(name))
        #expect(throws: MuxRPCError.notOpen(1)) { try session.reply(to: request.number, with: value) }
    }

    @Test("an error, as JavaScript writes it but without a stack")
    func failure() throws {
        let request = try #require(session.request(bytes: try Self.frame("request async")))
        session.failAnswered(request.number, message: "not answered yet")
        session.fail(request.number, message: "m")
        session.fail(request.number, message: "again")
        #expect(try session.outbox() == Self.frame("reply error"))
        session.failAnswered(request.number, message: "m")
        #expect(try session.outbox() == Self.frame("reply error"))
    }

    @Test("packets, end and error of a stream that the peer opened, as JavaScript writes them")
    func duplexFromCallee() throws {
        let request = try #require(session.request(bytes: try Self.frame("open duplex")))
        #expect(request.stream.sentNumber == -2)
        try session.send(ByteBuffer(string: "hello"), on: request.stream)
        #expect(try session.outbox() == Self.frame("stream binary from callee"))
        try session.send([1], on: request.stream)
        #expect(try session.outbox() == Self.frame("stream json"))
        session.fail(request.stream, message: "could not connect to:t")
        #expect(try session.outbox() == Self.frame("stream error"))
        _ = session.receive(bytes: try Self.frame("open duplex"))
        session.end(request.stream)
        #expect(try session.outbox() == Self.frame("stream end from callee"))
    }

    @Test("the header of a packet that the owner writes by itself")
    func ownHeader() throws {
        _ = try session.call(["x"], [])
        let stream = try session.open(.duplex, ["x"], [])
        var written = ByteBuffer()
        written.writePacketHeader(session.header(forBinary: 5, on: stream))
        written.writeString("hello")
        #expect(try Array(buffer: written) == Self.frame("stream binary from caller"))
    }

    @Test("one goodbye, and nothing behind it")
    func goodbye() throws {
        let stream = try session.open(.duplex, ["x"], [])
        _ = session.receive(0x02, 1, #"{"name":["whoami"],"args":[]}"#)
        _ = session.outbox()
        session.sayGoodbye()
        session.sayGoodbye()
        session.end(stream)
        #expect(throws: MuxRPCError.closed) { try session.call(["x"], []) }
        #expect(throws: MuxRPCError.notOpen(1)) { try session.send([1], on: stream) }
        #expect(session.receive(0x02, 2, #"{"name":["manifest"],"args":[]}"#) == nil)
        #expect(session.receive(0x02, 3, #"{"name":["whoami"],"args":[]}"#) == nil)
        #expect(try session.outbox() == Self.frame("goodbye"))
    }

    @Test("never an empty body, nor one that is too long")
    func bounds() throws {
        let stream = try session.open(.duplex, ["x"], [])
        _ = session.outbox()
        try session.send(ByteBuffer(), on: stream)
        #expect(session.outboxByteCount == 0)
        let limits = Limits.default
        try session.send(ByteBuffer(repeating: 0, count: limits.streamBodyByteCount), on: stream)
        #expect(session.outboxByteCount == limits.streamBodyByteCount + 9)
        #expect(throws: MuxRPCError.bodyTooLong(65_537, limit: 65_536)) {
            try session.send(ByteBuffer(repeating: 0, count: 65_537), on: stream)
        }
        _ = session.outbox()
        let longest = JSONValue.string(String(repeating: "x", count: (1 << 20) - 2))
        try session.send(longest, on: stream)
        #expect(session.outboxByteCount == 1 << 20 + 9)
        #expect(throws: MuxRPCError.bodyTooLong(1_048_578, limit: 1 << 20)) {
            try session.send([longest], on: stream)
        }
        #expect(throws: MuxRPCError.self) { try session.call(["x"], [longest]) }
        _ = session.outbox()
        #expect(try session.call(["x"], []).value == 2)
    }

    @Test("nothing more while as much waits as may, until it is taken")
    func queueLimit() throws {
        let stream = try session.open(.duplex, ["x"], [])
        let body = ByteBuffer(repeating: 0, count: Limits.default.streamBodyByteCount)
        let full = MuxRPCError.queueFull(limit: 16 << 20)
        while session.outboxByteCount < 16 << 20 { try session.send(body, on: stream) }
        #expect(throws: full) { try session.send(body, on: stream) }
        #expect(throws: full) { try session.send(true, on: stream) }
        #expect(throws: full) { try session.call(["x"], []) }
        #expect(throws: full) { try session.open(.source, ["x"], []) }
        #expect(session.outboxByteCount < 17 << 20)
        _ = session.outbox()
        try session.send(body, on: stream)
        #expect(try session.call(["x"], []).value == 2)
    }

    @Test("no more open calls and streams than allowed")
    func openLimit() throws {
        var limits = Limits()
        limits.openRequestCount = 3
        let session = TestedSession(limits: limits)
        let stream = try session.open(.duplex, ["x"], [])
        for _ in 0..<2 { _ = try session.call(["x"], []) }
        #expect(throws: MuxRPCError.tooManyOpen(limit: 3)) { try session.call(["x"], []) }
        session.end(stream)
        #expect(try session.call(["x"], []).value == 4)
    }

    @Test("no number twice: when all are used, nothing can be called")
    func outOfNumbers() throws {
        let session = TestedSession(firstNumber: .max - 1)
        #expect(try session.call(["x"], []).value == .max - 1)
        let stream = try session.open(.duplex, ["x"], [])
        #expect(stream.sentNumber == .max)
        #expect(throws: MuxRPCError.outOfNumbers) { try session.call(["x"], []) }
        #expect(throws: MuxRPCError.outOfNumbers) { try session.open(.source, ["x"], []) }
        #expect(session.receive(0x08, -.max, "x") == .data(stream, .binary, ByteBuffer(string: "x")))
        session.end(stream)
        #expect(session.sent().last == .end(.max))
        #expect(throws: MuxRPCError.outOfNumbers) { try session.call(["x"], []) }
    }
}
