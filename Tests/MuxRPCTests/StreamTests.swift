import MuxRPC
import NIOCore
import TestSupport
import Testing

@Suite("Calls and streams of a session")
struct StreamTests {
    let session = TestedSession()
    static let duplex = #"{"name":["tunnel","connect"],"args":[{"target":"t"}],"type":"duplex"}"#

    @Test("replies of every kind reach their calls, in any order")
    func replies() throws {
        let calls = try (0..<5).map { _ in try session.call(["x"], []) }
        let error = #"{"name":"Error","message":"muxrpc: no such command: x","stack":""}"#
        #expect(
            session.receive(0x06, -5, error)
                == .reply(calls[4], .failure(.init("muxrpc: no such command: x"))))
        #expect(session.receive(0x01, -1, "ok") == .reply(calls[0], .string("ok")))
        #expect(session.receive(0x00, -2, "ok") == .reply(calls[1], .binary(ByteBuffer(string: "ok"))))
        #expect(session.receive(0x02, -3, "false\n") == .reply(calls[2], .value(false)))
        #expect(session.receive(0x02, -4, "{") == .reply(calls[3], .failure(.init("the reply is no JSON"))))
        #expect(session.openRequestCount == 0)
    }

    @Test("a stream packet answers a call only by ending it")
    func streamAnswersCall() throws {
        let call = try session.call(["x"], [])
        #expect(session.receive(0x0a, -1, "1") == nil)
        #expect(session.receive(0x0e, -1, #"{"message":"m"}"#) == .reply(call, .failure(.init("m"))))
    }

    @Test("an error behind the reply is a late failure, for numbers that were used")
    func lateFailure() throws {
        let call = try session.call(["tunnel", "announce"], [])
        #expect(session.receive(0x02, -1, "true") == .reply(call, .value(true)))
        #expect(
            session.receive(0x06, -1, #"{"message":"replaced"}"#) == .lateFailure(call, .init("replaced")))
        #expect(session.receive(0x06, -2, #"{"message":"replaced"}"#) == nil)
        #expect(session.receive(0x02, -1, "true") == nil)
    }

    @Test(
        "reads the message of an error from what it is given",
        arguments: [
            (0x06, #"{"message":"m","name":"Error","stack":"at x"}"#, "m"), (0x06, #""m""#, "m"),
            (0x05, "m", "m"),
            (0x06, #"{"code":1}"#, "an error without a message"), (0x06, "{", "an error without a message"),
            (0x04, "m", "an error without a message"), (0x07, "m", "an error without a message"),
        ] as [(UInt8, String, String)])
    func errorMessages(_ flags: UInt8, _ body: String, _ message: String) throws {
        let call = try session.call(["x"], [])
        #expect(session.receive(flags, -1, body) == .reply(call, .failure(RemoteError(message))))
    }

    @Test("cuts an error's message between two characters")
    func longMessage() {
        let error = RemoteError(String(repeating: "🐚", count: 1000) + "x")
        #expect(error.message == String(repeating: "🐚", count: RemoteError.messageByteLimit / 4))
        #expect(RemoteError("x" + error.message).message.utf8.count == RemoteError.messageByteLimit - 3)
    }

    @Test("carries packets both ways on a duplex of either side")
    func carries() throws {
        let own = try session.open(.duplex, ["x"], [])
        let request = try #require(session.request(0x0a, 1, Self.duplex))
        #expect(request.arguments == [["target": "t"]])
        for (stream, number) in [(own, Int32(-1)), (request.stream, 1)] {
            #expect(session.receive(0x08, number, "b") == .data(stream, .binary, ByteBuffer(string: "b")))
            #expect(session.receive(0x09, number, "s") == .data(stream, .string, ByteBuffer(string: "s")))
            #expect(session.receive(0x0a, number, "[") == .data(stream, .json, ByteBuffer(string: "[")))
        }
    }

    @Test("answers an end with one end, plain or not, and drops what was in flight")
    func peerEnds() throws {
        let bodies: [(String, RemoteError?)] = [
            ("true", nil), (" true\n", nil), ("", nil), (#"{"message":"m"}"#, .init("m")),
        ]
        for (index, (body, error)) in bodies.enumerated() {
            let number = Int32(index + 1)
            let own = try session.open(.duplex, ["x"], [])
            let theirs = try #require(session.request(0x0a, number, Self.duplex)).stream
            _ = session.outbox()
            for stream in [own, theirs] {
                #expect(session.receive(0x0e, -stream.sentNumber, body) == .ended(stream, error))
                #expect(!session.isOpen(stream))
                #expect(session.sent() == [.end(stream.sentNumber)])
                #expect(session.receive(0x0e, -stream.sentNumber, body) == nil)
                #expect(session.receive(0x08, -stream.sentNumber, "late") == nil)
                #expect(session.receive(0x0a, -stream.sentNumber, #"{"credit":1}"#) == nil)
                #expect(throws: MuxRPCError.notOpen(stream.sentNumber)) { try session.send([1], on: stream) }
                #expect(session.sent() == [])
            }
        }
    }

    @Test("frees the number with its own end, and waits for no answer")
    func weEnd() throws {
        let own = try session.open(.duplex, ["x"], [])
        let theirs = try #require(session.request(0x0a, 1, Self.duplex)).stream
        _ = session.outbox()
        session.end(own)
        session.fail(theirs, message: "m")
        #expect(session.openRequestCount == 0)
        #expect(session.sent() == [.end(1), .failure(-1, "m", isStream: true)])
        #expect(session.receive(0x0e, -1, "true") == nil)
        #expect(session.receive(0x0e, 1, "true") == nil)
        #expect(session.receive(0x08, 1, "late") == nil)
        #expect(session.sent() == [])
    }

    @Test("takes an error without the stream flag for the end of our stream, and nothing else without it")
    func plainErrorEndsStream() throws {
        let own = try session.open(.source, ["x"], [])
        _ = session.outbox()
        #expect(session.receive(0x02, -1, "1") == nil)
        #expect(session.receive(0x06, -1, #"{"message":"m"}"#) == .ended(own, .init("m")))
        #expect(session.sent() == [.end(1)])
    }

    @Test("drops what comes against the direction of a source or sink")
    func directions() throws {
        let source = try session.open(.source, ["x"], [])
        let sink = try session.open(.sink, ["x"], [])
        #expect(session.receive(0x0a, -1, "1") == .data(source, .json, ByteBuffer(string: "1")))
        #expect(session.receive(0x0a, -2, "1") == nil)
        #expect(session.isOpen(sink))
        let served = try #require(
            session.request(0x0a, 1, #"{"name":["tunnel","endpoints"],"args":[],"type":"source"}"#))
        let filled = try #require(
            session.request(0x0a, 2, #"{"name":["blob","put"],"args":[],"type":"sink"}"#))
        #expect(session.receive(0x0a, 1, "1") == nil)
        #expect(session.receive(0x0a, 2, "1") == .data(filled.stream, .json, ByteBuffer(string: "1")))
        #expect(session.isOpen(served.stream))
    }

    @Test("fails a stream whose packet is too long, and takes a too long error for an end")
    func oversized() throws {
        let tooLong = RemoteError("the body is too long")
        let long = [UInt8](repeating: 0, count: (1 << 20) + 1)
        for flags: UInt8 in [0x08, 0x0a, 0x0e] {
            let own = try session.open(.duplex, ["x"], [])
            let theirs = try #require(session.request(0x0a, own.sentNumber, Self.duplex)).stream
            _ = session.outbox()
            for stream in [own, theirs] {
                #expect(
                    session.receive(bytes: packet(flags, -stream.sentNumber, long)) == [
                        .ended(stream, tooLong)
                    ])
                let answer =
                    flags == 0x0e
                    ? Sent.end(stream.sentNumber)
                    : .failure(stream.sentNumber, tooLong.message, isStream: true)
                #expect(session.sent() == [answer])
            }
        }
        let call = try session.call(["x"], [])
        #expect(session.receive(bytes: packet(0x02, -call.value, long)) == [.reply(call, .failure(tooLong))])
    }

    @Test("answers the manifest by itself, in Go's spelling and in JavaScript's")
    func manifest() throws {
        #expect(session.receive(0x02, 1, #"{"name":"manifest","args":[],"type":"async"}"#) == nil)
        #expect(session.receive(0x02, 2, #"{"name":["manifest"],"args":[]}"#) == nil)
        let tree = Manifest.tested.tree.description
        #expect(session.sent() == [Sent(0x02, -1, tree), Sent(0x02, -2, tree)])
        #expect(session.openRequestCount == 0)
    }

    @Test("opens a number that another has overtaken, but only for a whole call")
    func overtakenNumbers() throws {
        #expect(session.request(0x0a, 5, Self.duplex) != nil)
        #expect(session.request(0x0a, 4, Self.duplex)?.stream.sentNumber == -4)
        #expect(session.receive(0x0a, 3, #"{"name":["tunnel"]}"#) == nil)
        #expect(session.sent() == [])
    }

    @Test("reports the goodbye once, and takes nothing behind it")
    func goodbye() throws {
        let own = try session.open(.duplex, ["x"], [])
        #expect(
            session.receive(bytes: packet(0, 0, "") + packet(0, 0, "") + packet(0x08, -1, "x")) == [.goodbye])
        #expect(session.isOpen(own))
        #expect(throws: MuxRPCError.closed) { try session.call(["x"], []) }
        session.sayGoodbye()
        #expect(session.sent().last == .goodbye)
    }

    @Test("takes the peer's ends after its own goodbye, and answers none")
    func endsAfterGoodbye() throws {
        let own = try session.open(.duplex, ["x"], [])
        session.sayGoodbye()
        _ = session.outbox()
        #expect(session.receive(0x0e, -1, "true") == .ended(own, nil))
        #expect(session.outbox() == [])
    }

    @Test("fails everything open when the transport ends")
    func transportEnded() throws {
        let call = try session.call(["x"], [])
        let own = try session.open(.duplex, ["x"], [])
        let theirs = try #require(session.request(0x0a, 1, Self.duplex)).stream
        _ = session.request(0x02, 2, SurvivalTests.whoami)
        let error = RemoteError("unexpected end of parent stream")
        #expect(
            session.transportEnded() == [
                .reply(call, .failure(error)), .ended(own, error), .ended(theirs, error),
            ])
        #expect(session.transportEnded() == [])
        #expect(session.openRequestCount == 0)
    }
}
