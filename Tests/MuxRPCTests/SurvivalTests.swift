import MuxRPC
import NIOCore
import TestSupport
import Testing

/// Every row of "what a session survives", which known peers' sessions do not all survive; each test ends with a
/// call that must still be answered.
@Suite("What a session survives")
struct SurvivalTests {
    let session = TestedSession()
    static let whoami = #"{"name":["whoami"],"args":[]}"#

    /// The session still hands out a call and takes the reply of one.
    func expectAlive(_ number: Int32 = 90, ownNumber: Int32 = 1) throws {
        #expect(session.request(0x02, number, Self.whoami)?.number.value == number)
        let call = try session.call(["whoami"], [])
        #expect(call.value == ownNumber)
        #expect(session.receive(0x02, -ownNumber, "1") == .reply(call, .value(1)))
        _ = session.outbox()
    }

    @Test(
        "any spelling of an async call",
        arguments: ["", #","type":"sync""#, #","type":"async""#, #","type":"""#])
    func typeOfCall(_ type: String) throws {
        let request = try #require(session.request(0x02, 1, #"{"name":["whoami"],"args":[]\#(type)}"#))
        #expect(request.kind == .async)
        #expect(request.name == ["whoami"])
        try expectAlive()
    }

    @Test("frames of length 0 with any flags and number but nine zeros")
    func emptyFrames() throws {
        let own = try session.open(.duplex, ["x"], [])
        let request = try #require(
            session.request(0x0a, 4, #"{"name":["tunnel","connect"],"args":[],"type":"duplex"}"#))
        _ = session.outbox()
        for number: Int32 in [4, -1, 77, -77, 0, .max, .min] {
            for flags: UInt8 in 0..<16 where !(flags == 0 && number == 0) && flags & 4 == 0 {
                if flags & 3 == 3, flags & 8 != 0 { continue }  // invalid type: a row of its own
                #expect(session.receive(flags, number, "") == nil)
            }
        }
        for packet in session.sent() {
            #expect(packet.text.contains("invalid request"))
            #expect(packet.number == -77 || packet.number == -.max)
        }
        #expect(session.isOpen(own) && session.isOpen(request.stream))
        try expectAlive(ownNumber: 2)
    }

    @Test("ends and data for numbers that nobody opened", arguments: [-7, 7, -77, .min, .max] as [Int32])
    func unknownNumbers(_ number: Int32) throws {
        for flags: UInt8 in [0x0e, 0x0c, 0x0d, 0x08, 0x09, 0x06, 0x04] {
            #expect(session.receive(flags, number, "true") == nil)
        }
        #expect(session.sent() == [])
        try expectAlive()
    }

    @Test("a reply to nothing")
    func replyToNothing() throws {
        for flags: UInt8 in [0x00, 0x01, 0x02, 0x03, 0x06, 0x0a] {
            #expect(session.receive(flags, -77, "true") == nil)
        }
        #expect(session.sent() == [])
        try expectAlive()
    }

    @Test("request number 0", arguments: [0x00, 0x01, 0x02, 0x03, 0x06, 0x0a, 0x0e] as [UInt8])
    func numberZero(_ flags: UInt8) throws {
        #expect(session.receive(flags, 0, Self.whoami) == nil)
        #expect(session.sent() == [])
        try expectAlive()
    }

    @Test("body type 3, in a call, a reply, an opening and on streams of both sides")
    func bodyTypeThree() throws {
        let call = try session.call(["x"], [])
        let own = try session.open(.duplex, ["x"], [])
        let theirs = try #require(
            session.request(0x0a, 1, #"{"name":["tunnel","connect"],"args":[],"type":"duplex"}"#)
        ).stream
        _ = session.outbox()
        let invalid = RemoteError("invalid body type")
        #expect(session.receive(0x03, 5, Self.whoami) == nil)
        #expect(session.receive(0x0b, 6, Self.whoami) == nil)
        #expect(session.receive(0x03, -1, "1") == .reply(call, .failure(invalid)))
        #expect(session.receive(0x0b, -2, "1") == .ended(own, invalid))
        #expect(session.receive(0x0b, 1, "1") == .ended(theirs, invalid))
        let malformed = "invalid request, body should be a JSON object"
        #expect(
            session.sent() == [
                .failure(-5, malformed), .failure(-6, malformed, isStream: true),
                .failure(2, invalid.message, isStream: true), .failure(-1, invalid.message, isStream: true),
            ])
        try expectAlive(ownNumber: 3)
    }

    @Test(
        "a call that is no call",
        arguments: [
            ("{", "invalid request, body should be a JSON object"),
            ("[]", "invalid request, body should be a JSON object"),
            ("\u{0}", "invalid request, body should be a JSON object"),
            (#"{"name":["whoami"],"args":{}}"#, "invalid request, args should be array"),
            (#"{"name":["whoami"]}"#, "invalid request, args should be array"),
            (#"{"args":[]}"#, "method: is not in list of allowed methods"),
            (#"{"name":[],"args":[]}"#, "method: is not in list of allowed methods"),
            (#"{"name":[1,2],"args":[]}"#, "method: is not in list of allowed methods"),
            (#"{"name":{"a":1},"args":[]}"#, "method: is not in list of allowed methods"),
            (
                #"{"name":["tunnel","leave"],"args":[]}"#,
                "method:tunnel,leave is not in list of allowed methods"
            ),
            (#"{"name":"tunnel.leave","args":[]}"#, "method:tunnel.leave is not in list of allowed methods"),
            (#"{"name":["tunnel","connect"],"args":[]}"#, "no async:tunnel,connect"),
            (#"{"name":["whoami"],"args":[],"type":"source"}"#, "no source:whoami"),
        ])
    func malformedCalls(_ body: String, _ message: String) throws {
        #expect(session.receive(0x02, 8, body) == nil)
        #expect(session.sent() == [.failure(-8, message)])
        try expectAlive()
    }

    @Test(
        "an opening that is none",
        arguments: [
            ("{", "invalid request, body should be a JSON object"),
            (#"{"name":["tunnel","connect"],"args":[],"type":"pipe"}"#, "unknown stream type:pipe"),
            (#"{"name":["tunnel","connect"],"args":[],"type":"async"}"#, "unknown stream type:async"),
            (#"{"name":["tunnel","connect"],"args":[]}"#, "unknown stream type:"),
            (
                #"{"name":["tunnel","connect"],"args":{},"type":"duplex"}"#,
                "invalid request, args should be array"
            ),
            (#"{"args":[],"type":"duplex"}"#, "method: is not in list of allowed methods"),
            (#"{"name":["tunnel","connect"],"args":[],"type":"source"}"#, "no source:tunnel,connect"),
            (#"{"name":["whoami"],"args":[],"type":"source"}"#, "no source:whoami"),
            (#"{"name":["manifest"],"args":[],"type":"source"}"#, "no source:manifest"),
            (
                #"{"name":["room","attendants"],"args":[],"type":"source"}"#,
                "method:room,attendants is not in list of allowed methods"
            ),
        ])
    func malformedOpenings(_ body: String, _ message: String) throws {
        #expect(session.receive(0x0a, 8, body) == nil)
        #expect(session.sent() == [.failure(-8, message, isStream: true)])
        // What was in flight behind it, and JavaScript's echo of the error, are dropped.
        #expect(session.receive(0x08, 8, "message 1") == nil)
        #expect(session.receive(0x0a, 8, "[1]") == nil)
        #expect(session.receive(0x0e, 8, #"{"message":"m","name":"Error","stack":""}"#) == nil)
        #expect(session.sent() == [])
        try expectAlive()
    }

    @Test("bodies of exactly 1 MiB are answered, longer ones get an error")
    func longCalls() throws {
        let frame = Self.whoami.dropLast(2)
        let filler = String(repeating: "x", count: (1 << 20) - frame.utf8.count - 4)
        let body = frame + "\"" + filler + "\"]}"
        #expect(body.utf8.count == 1 << 20)
        #expect(session.request(0x02, 1, String(body))?.arguments == [.string(filler)])
        #expect(session.receive(0x02, 2, body + " ") == nil)
        #expect(session.receive(0x0a, 3, body + " ") == nil)
        #expect(session.receive(0x08, 4, body) == nil)
        #expect(
            session.sent() == [
                .failure(-2, "the body is too long"), .failure(-3, "the body is too long", isStream: true),
            ])
        try expectAlive()
    }

    @Test("a name of a mebibyte gets a short error with the end that clients look for")
    func longName() throws {
        let name = String(repeating: "é", count: 1 << 18)
        #expect(session.receive(0x02, 1, #"{"name":["\#(name)"],"args":[]}"#) == nil)
        let message = try #require(session.sent().first?.text)
        #expect(message.utf8.count < 512)
        #expect(message.contains(#" is not in list of allowed methods","#))
        try expectAlive()
    }

    @Test("errors with positive numbers, as Go sends them after a failed call and at its end")
    func strayErrors() throws {
        _ = try session.call(["manifest"], [])
        #expect(
            session.receive(0x06, 1, #"{"name":"Error","message":"muxrpc: session terminated","stack":""}"#)
                == nil)
        #expect(session.sent().count == 1)
        try expectAlive(ownNumber: 2)
    }

    @Test("numbers used twice")
    func reusedNumbers() throws {
        let opening = #"{"name":["tunnel","connect"],"args":[],"type":"duplex"}"#
        let request = try #require(session.request(0x02, 1, Self.whoami))
        #expect(session.receive(0x02, 1, Self.whoami) == nil)
        #expect(session.receive(0x0a, 1, opening) == nil)
        try session.reply(to: request.number, with: 1)
        let stream = try #require(session.request(0x0a, 2, opening)).stream
        #expect(session.receive(0x02, 2, Self.whoami) == nil)
        #expect(session.receive(0x0a, 2, opening) == .data(stream, .json, ByteBuffer(string: opening)))
        #expect(session.sent() == [Sent(0x02, -1, "1")])
        #expect(session.openRequestCount == 1)
        try expectAlive()
    }

    @Test("more calls and streams than allowed")
    func tooManyOpen() throws {
        var limits = Limits()
        limits.openRequestCount = 2
        let session = TestedSession(limits: limits)
        let first = try #require(session.request(0x02, 1, Self.whoami))
        #expect(session.request(0x02, 2, Self.whoami) != nil)
        #expect(session.receive(0x02, 3, Self.whoami) == nil)
        #expect(session.sent() == [.failure(-3, "too many open requests")])
        try session.reply(to: first.number, with: nil)
        #expect(session.request(0x02, 4, Self.whoami) != nil)
    }
}
