import MuxRPC
import NIOCore
import SecureSession
import TestSupport
import Testing

/// How frames of an inner session stand inside those of an outer one (the project's protocol, section 7).
@Suite("Tunnelled frames")
struct TunnelFramingTests {
    @Test("a full inner frame is one outer box of 4096 body bytes")
    func fullFrame() throws {
        let (outer, stream, _) = try CallTests.openStream()
        let (inner, innerStream) = try Self.openInner()
        // 4053 bytes of inner body: 9 of inner header, 4044 of the stream.
        inner.client.session.send(ByteBuffer(repeating: 7, count: 3 * 4044), on: innerStream)
        let batch = try #require(inner.client.session.nextBatch())
        #expect(batch.byteCount == 3 * (34 + 9 + 34 + 4053))
        outer.client.session.send(batch, on: stream)
        #expect(outer.client.takeOutbound().count == 3 * (34 + 4096))
    }

    @Test("an inner body of any length is one outer box", arguments: [1, 2, 100, 4043, 4044])
    func shortFrame(byteCount: Int) throws {
        let (outer, stream, _) = try CallTests.openStream()
        let (inner, innerStream) = try Self.openInner()
        inner.client.session.send(ByteBuffer(repeating: 7, count: byteCount), on: innerStream)
        outer.client.session.send(try #require(inner.client.session.nextBatch()), on: stream)
        #expect(outer.client.takeOutbound().count == 34 + 9 + 34 + 9 + byteCount)
    }

    @Test("an inner session lives inside an outer one", arguments: 0..<6)
    func nested(seed: Int) throws {
        let (outer, stream, mirrored) = try CallTests.openStream()
        let lengths = SplitLengths(seed: UInt64(seed), most: [1, 50, 9000][seed % 3])
        let inner = try Wire(client: Wire.identity(3), server: Wire.identity(4), framing: .tunnelled)
        func run() {
            while forth() || back() {}
        }
        func forth() -> Bool {
            Self.carry(inner.client, stream, outer.client, outer.server, mirrored, inner.server, lengths)
        }
        func back() -> Bool {
            Self.carry(inner.server, mirrored, outer.server, outer.client, stream, inner.client, lengths)
        }
        run()
        #expect(inner.client.session.isOpen && inner.server.session.isOpen)
        let innerStream = try inner.client.session.muxrpc.open(
            .duplex, ["echo"],
            [
                [
                    "long": .string(
                        String(repeating: "x", count: 10_000))
                ]
            ])
        run()
        let innerMirrored = try #require(inner.server.takeTold().request?.stream)
        let sent = SeededRandom.bytes(30_000, seed: UInt64(seed))
        inner.client.session.send(ByteBuffer(bytes: sent), on: innerStream)
        try inner.client.session.muxrpc.send(["credit": 4096], on: innerStream)
        run()
        let told = inner.server.takeTold()
        #expect(told.bytes(of: innerMirrored) == sent)
        #expect(told.last == .session(.data(innerMirrored, .json, ByteBuffer(string: #"{"credit":4096}"#))))
        inner.client.session.close()
        run()
        #expect(inner.client.told.last == .ended && inner.server.told.last == .ended)
        #expect(outer.client.session.isOpen && outer.server.session.isOpen)
    }

    @Test("a batch may be sent inside a tunnel as well")
    func batchInside() throws {
        let (inner, innerStream) = try Self.openInner()
        let mirrored = try #require(inner.server.takeTold().request?.stream)
        var batch = PacketBatch(capacity: 0)
        for count in [1, 4087, 4088, 10_000] {
            batch.append(ByteBuffer(repeating: UInt8(count % 251), count: count), type: .binary)
        }
        inner.client.session.send(batch, on: innerStream)
        _ = Self.carryAlone(inner.client, inner.server)
        let bytes = inner.server.takeTold().bytes(of: mirrored)
        #expect(bytes == [1, 4087, 4088, 10_000].flatMap { [UInt8](repeating: UInt8($0 % 251), count: $0) })
    }

    /// Carries what an inner session sends over the outer one into its inner peer; whether there was any.
    static func carry(
        _ innerSender: Party, _ stream: StreamID, _ outerSender: Party, _ outerReceiver: Party,
        _ mirrored: StreamID, _ innerReceiver: Party, _ lengths: SplitLengths
    ) -> Bool {
        while let batch = innerSender.session.nextBatch() { outerSender.session.send(batch, on: stream) }
        let bytes = outerSender.takeOutbound()
        for piece in Wire.cut(bytes, lengths.next) { outerReceiver.receive(piece) }
        innerReceiver.receive(outerReceiver.takeTold().bytes(of: mirrored))
        return !bytes.isEmpty
    }

    /// An inner session alone, its handshake done, with one open duplex.
    static func openInner() throws -> (Wire, StreamID) {
        let wire = try Wire(framing: .tunnelled)
        repeat {} while carryAlone(wire.client, wire.server) || carryAlone(wire.server, wire.client)
        let stream = try wire.client.session.muxrpc.open(.duplex, ["echo"], [])
        _ = carryAlone(wire.client, wire.server)
        return (wire, stream)
    }

    /// Carries what an inner session sends as if the outer one were done with it: each packet without its hole.
    private static func carryAlone(_ from: Party, _ to: Party) -> Bool {
        var hasMoved = false
        while var laidOut = from.session.nextOutbound() {
            hasMoved = true
            while laidOut.readableBytes > 0 {
                laidOut.moveReaderIndex(forwardBy: 34)
                guard let header = laidOut.readPacketHeader(),
                    let frame = laidOut.readSlice(length: Int(header.bodyByteCount))
                else { return false }
                to.receive(frame)
            }
        }
        return hasMoved
    }
}
