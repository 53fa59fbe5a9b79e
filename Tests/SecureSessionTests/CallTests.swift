import MuxRPC
import NIOCore
import SecureSession
import TestSupport
import Testing

@Suite("Calls and streams over a session")
struct CallTests {
    @Test("both sides call and are answered", arguments: [true, false])
    func calls(clientCalls: Bool) throws {
        let wire = try Wire.open()
        let (caller, callee) = clientCalls ? (wire.client, wire.server) : (wire.server, wire.client)
        let call = try caller.session.muxrpc.call(["whoami"], [1, "two"])
        wire.run()
        let request = try #require(callee.takeTold().request)
        #expect(request.name == ["whoami"] && request.arguments == [1, "two"])
        try callee.session.muxrpc.reply(to: request.number, with: ["id": "me"])
        wire.run()
        #expect(caller.takeTold() == [.session(.reply(call, .value(["id": "me"])))])
    }

    @Test("bytes of any length reach the other side, whatever the cuts", arguments: 0..<12)
    func streams(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        var wire = try Wire.open()
        let most = [1, 100, 5000, 70_000][seed % 4]
        let lengths = SplitLengths(seed: UInt64(seed), most: most)
        wire.pieceByteCount = { lengths.next() }
        let stream = try wire.client.session.muxrpc.open(.duplex, ["echo"], [])
        wire.run()
        let mirrored = try #require(wire.server.takeTold().request?.stream)
        let long = [65_536, Int.random(in: 1...100_000, using: &random)]
        for count in [1, 4086, 4087, 4088] + (most == 1 ? [] : long) {
            let sent = random.bytes(count)
            wire.client.session.send(ByteBuffer(bytes: sent), on: stream)
            wire.run()
            #expect(wire.server.takeTold().bytes(of: mirrored) == sent)
            wire.server.session.send(ByteBuffer(bytes: sent), on: mirrored)
            wire.run()
            #expect(wire.client.takeTold().bytes(of: stream) == sent)
        }
        wire.server.session.muxrpc.end(mirrored)
        wire.run()
        #expect(wire.client.takeTold() == [.session(.ended(stream, nil))])
        #expect(wire.client.session.muxrpc.openRequestCount == 0)
    }

    @Test("bytes sent on a session are announced as packets that fill their boxes")
    func announced() throws {
        let (wire, stream, mirrored) = try Self.openStream()
        wire.client.session.send(ByteBuffer(repeating: 7, count: 2 * 4087 + 1), on: stream)
        #expect(wire.client.session.outboundByteCount == 2 * (34 + 4096) + 34 + 9 + 1)
        wire.run()
        let counts = wire.server.takeTold().map { told -> Int in
            guard case .packet(mirrored, let bytes) = told else { return -1 }
            return bytes.count
        }
        #expect(counts == [4087, 4087, 1])
    }

    @Test("a packet of muxrpc as long as one may be arrives whole")
    func longPacket() throws {
        let (wire, stream, mirrored) = try Self.openStream()
        let body = ByteBuffer(bytes: SeededRandom.bytes(64 << 10, seed: 3))
        try wire.client.session.muxrpc.send(body, on: stream)
        wire.run()
        #expect(wire.server.takeTold() == [.packet(mirrored, Array(buffer: body))])
    }

    @Test("calls, bytes and ends keep their order")
    func order() throws {
        let (wire, stream, mirrored) = try Self.openStream()
        try wire.client.session.muxrpc.send(["n": 1], on: stream)
        wire.client.session.send(ByteBuffer(string: "two"), on: stream)
        try wire.client.session.muxrpc.send(["n": 3], on: stream)
        wire.client.session.muxrpc.end(stream)
        wire.run()
        #expect(
            wire.server.takeTold() == [
                .session(.data(mirrored, .json, ByteBuffer(string: #"{"n":1}"#))),
                .packet(mirrored, Array("two".utf8)),
                .session(.data(mirrored, .json, ByteBuffer(string: #"{"n":3}"#))),
                .session(.ended(mirrored, nil)),
            ])
    }

    @Test("a packet that is not opened is dropped, and what follows it is told")
    func dropped() throws {
        let (wire, stream, mirrored) = try Self.openStream()
        wire.server.opening = .never
        wire.client.session.send(ByteBuffer(repeating: 7, count: 9000), on: stream)
        try wire.client.session.muxrpc.send(true, on: stream)
        wire.run()
        #expect(
            wire.server.takeTold() == [
                .packet(mirrored, []), .packet(mirrored, []), .packet(mirrored, []),
                .session(.data(mirrored, .json, ByteBuffer(string: "true"))),
            ])
    }

    @Test("opening a packet when none was announced adds nothing")
    func openingNothing() throws {
        let wire = try Wire.open()
        var buffer = ByteBuffer()
        var batch = PacketBatch(capacity: 0)
        wire.server.session.openPacket(into: &buffer)
        wire.server.session.openPacket(into: &batch)
        #expect(buffer.readableBytes == 0 && batch.isEmpty)
    }

    @Test("nothing is sent on a stream that has ended, nor without bytes")
    func endedStream() throws {
        let (wire, stream, _) = try Self.openStream()
        wire.client.session.send(ByteBuffer(), on: stream)
        #expect(wire.client.session.outboundByteCount == 0)
        wire.client.session.muxrpc.end(stream)
        wire.run()
        var batch = PacketBatch(capacity: 0)
        batch.append(ByteBuffer(string: "late"), type: .binary)
        wire.client.session.send(ByteBuffer(string: "late"), on: stream)
        wire.client.session.send(batch, on: stream)
        #expect(wire.client.session.outboundByteCount == 0)
    }

    /// A wire with one open duplex: the client's name for it, then the server's.
    static func openStream() throws -> (Wire, StreamID, StreamID) {
        let wire = try Wire.open()
        let stream = try wire.client.session.muxrpc.open(.duplex, ["echo"], [])
        wire.run()
        return (wire, stream, try #require(wire.server.takeTold().request?.stream))
    }
}
