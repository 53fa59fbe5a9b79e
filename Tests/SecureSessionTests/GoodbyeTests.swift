import BoxStream
import MuxRPC
import NIOCore
import SecureSession
import TestSupport
import Testing

@Suite("The end of a session")
struct GoodbyeTests {
    @Test("muxrpc says goodbye first, the box stream when the peer has said its own")
    func order() throws {
        let wire = try Wire.open()
        wire.client.session.close()
        #expect(!wire.client.session.isOpen && !wire.client.session.isFinished)
        let goodbye = wire.client.takeOutbound()
        #expect(goodbye.count == 34 + 9)
        wire.server.receive(goodbye)
        #expect(wire.server.told == [.session(.goodbye)])
        let answer = wire.server.takeOutbound()
        #expect(answer.count == 34 + 9 + 34 && wire.server.session.isFinished)
        wire.client.receive(answer)
        #expect(wire.client.told == [.session(.goodbye), .ended])
        let last = wire.client.takeOutbound()
        #expect(last.count == 34 && wire.client.session.isFinished)
        wire.server.receive(last)
        #expect(wire.server.told == [.session(.goodbye), .ended])
        for party in [wire.client, wire.server] {
            party.inputEnded()
            #expect(party.error == nil && party.takeOutbound().isEmpty)
        }
    }

    @Test("both sides may say goodbye at once")
    func crossing() throws {
        let wire = try Wire.open()
        wire.client.session.close()
        wire.server.session.close()
        wire.run()
        for party in [wire.client, wire.server] {
            #expect(party.told == [.session(.goodbye), .ended])
            #expect(party.session.isFinished && party.error == nil)
        }
    }

    @Test("what was sent before the goodbye arrives before it")
    func lastWords() throws {
        let (wire, stream, mirrored) = try CallTests.openStream()
        wire.client.session.send(ByteBuffer(string: "last"), on: stream)
        wire.client.session.close()
        wire.client.session.send(ByteBuffer(string: "too late"), on: stream)
        wire.run()
        #expect(
            wire.server.takeTold() == [.packet(mirrored, Array("last".utf8)), .session(.goodbye), .ended])
    }

    @Test("bytes are still taken between our goodbye and the peer's, and not behind the peer's")
    func late() throws {
        let (wire, stream, mirrored) = try CallTests.openStream()
        wire.server.session.close()
        wire.client.session.send(ByteBuffer(string: "in flight"), on: stream)
        _ = wire.carry(wire.client, wire.server)
        #expect(wire.server.takeTold() == [.packet(mirrored, Array("in flight".utf8))])

        let (server, client) = try FrameTests.connected()
        server.receive(client.seal(HandmadeClient.open(1)))
        _ = server.takeTold()
        server.receive(client.seal([UInt8](repeating: 0, count: 9)))
        server.receive(client.seal(HandmadeClient.bytes(1, [1])))
        #expect(server.takeTold() == [.session(.goodbye)])
    }

    @Test("finishing does not wait")
    func finish() throws {
        let wire = try Wire.open()
        wire.client.session.finish()
        wire.client.session.finish()
        #expect(wire.client.session.isFinished)
        #expect(wire.client.takeOutbound().count == 34 + 9 + 34)
    }

    @Test("a box-stream goodbye alone is answered by both of ours")
    func boxGoodbyeOnly() throws {
        let (server, client) = try FrameTests.connected()
        server.receive(client.goodbye())
        #expect(server.told == [.ended])
        #expect(server.takeOutbound().count == 34 + 9 + 34)
        server.inputEnded()
        #expect(server.error == nil)
    }

    @Test("bytes behind the goodbye are an error")
    func behindGoodbye() throws {
        let (server, client) = try FrameTests.connected()
        server.receive(client.goodbye() + [0])
        #expect(server.told == [.ended])
        #expect(server.error == .boxStream(.afterGoodbye))
        FrameTests.expectSilence(server)
    }

    @Test("input that ends without a goodbye is truncated, wherever it ends")
    func truncation() throws {
        let packets = HandmadeClient.open(1) + HandmadeClient.bytes(1, [1, 2, 3])
        let byteCount = 34 + packets.count + 34
        for count in 0..<byteCount {
            let (server, client) = try FrameTests.connected()
            server.receive((client.seal(packets) + client.goodbye()).prefix(count))
            #expect(server.error == nil)
            server.inputEnded()
            #expect(server.error == .boxStream(.truncated), "\(count) bytes")
            FrameTests.expectSilence(server)
        }
    }

    @Test("what was open is told after a failure")
    func openCalls() throws {
        let (wire, stream, _) = try CallTests.openStream()
        let call = try wire.client.session.muxrpc.call(["whoami"], [])
        wire.client.inputEnded()
        #expect(wire.client.error == .boxStream(.truncated))
        let events = wire.client.session.muxrpc.transportEnded()
        let isEnded = events.contains { if case .ended(stream, .some) = $0 { true } else { false } }
        let isAnswered = events.contains { if case .reply(call, .failure) = $0 { true } else { false } }
        #expect(events.count == 2 && isEnded && isAnswered)
    }

    @Test(
        "input that ends while we wait for the peer's goodbye is truncated as well", arguments: [true, false])
    func truncationAfterOurs(finishing: Bool) throws {
        let wire = try Wire.open()
        if finishing { wire.client.session.finish() } else { wire.client.session.close() }
        wire.client.inputEnded()
        #expect(wire.client.error == .boxStream(.truncated))
        FrameTests.expectSilence(wire.client)
    }

    @Test(
        "input that ends during the server's handshake is a refusal", arguments: [0, 63, 64, 100, 175, 176])
    func truncatedHandshake(byteCount: Int) throws {
        let wire = try Wire()
        wire.server.accepts = false
        let hello = wire.client.takeOutbound()
        wire.server.receive(hello.prefix(byteCount))
        wire.client.receive(wire.server.takeOutbound())
        wire.server.receive(wire.client.takeOutbound().prefix(max(0, byteCount - 64)))
        #expect(wire.server.session.isAwaitingDecision == (byteCount == 176))
        wire.server.inputEnded()
        #expect(wire.server.error == .refused(answered: byteCount >= 64))
        FrameTests.expectSilence(wire.server)
    }
}
