import MuxRPC
import Testing

@Suite("Ends of streams that the peer is to answer")
struct AwaitedEndTests {
    let session = TestedSession()

    @Test("are counted until the peer has ended the stream too, by whatever end")
    func counted() throws {
        let ours = try session.open(.duplex, ["tunnel", "connect"], [])
        let request = session.request(0x0a, 1, StreamTests.duplex)
        let theirs = try #require(request?.stream)
        for stream in [ours, theirs, ours] { session.endAwaitingAnswer(stream) }
        #expect(session.awaitedEndCount == 2 && session.openRequestCount == 0)
        #expect(session.sent().suffix(2) == [.end(1), .end(-1)])
        // What was on its way is no end, and neither is the end of another.
        #expect(session.receive(0x08, -1, "bytes") == nil && session.receive(0x0e, -2, "true") == nil)
        #expect(session.awaitedEndCount == 2)
        #expect(session.receive(0x0e, -1, "true") == nil && session.awaitedEndCount == 1)
        #expect(session.receive(0x0e, 1, #"{"message":"gone"}"#) == nil && session.awaitedEndCount == 0)
        #expect(session.sent().isEmpty, "an end is not answered twice")
    }

    @Test("are not awaited of a stream that the peer has ended")
    func endedBefore() throws {
        let stream = try session.open(.duplex, ["tunnel", "connect"], [])
        _ = session.receive(0x0e, -1, "true")
        session.endAwaitingAnswer(stream)
        #expect(session.awaitedEndCount == 0)
        session.end(try session.open(.duplex, ["tunnel", "connect"], []))
        #expect(session.awaitedEndCount == 0)
    }
}
