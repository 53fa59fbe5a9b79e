import MuxRPC
import NIOCore
import SecureSession
import TestSupport
import Testing

/// A portal in small: what one session opens, another seals again.
@Suite("Batches between sessions")
struct RelayedBatchTests {
    @Test("packets are re-sealed in place and keep their lengths", arguments: 0..<8)
    func relayed(seed: Int) throws {
        let hop = try Self.hops()
        hop.near.server.opening = .intoBatch
        var random = SeededRandom(seed: UInt64(seed))
        let sent = random.bytes(Int.random(in: 1...100_000, using: &random))
        hop.near.client.session.send(ByteBuffer(bytes: sent), on: hop.nearStream)
        let near = hop.near.client.takeOutbound()
        hop.near.server.receive(near)
        let batch = hop.near.server.takeBatch()
        #expect(batch.byteCount == near.count)
        hop.far.client.session.send(batch, on: hop.farStream)
        let far = hop.far.client.takeOutbound()
        #expect(far.count == near.count)
        hop.far.server.receive(far)
        #expect(hop.far.server.takeTold().bytes(of: hop.farMirror) == sent)
    }

    @Test("packets that came in any other layout are laid out in a batch and arrive", arguments: BodyType.all)
    func laidOut(type: BodyType) throws {
        let hop = try Self.hops()
        let lengths = [1, 4086, 4087, 4088, 4089, 8183, 8184, 65_536]
        var batch = PacketBatch(capacity: 100)
        for count in lengths { batch.append(ByteBuffer(repeating: 0x20, count: count), type: type) }
        hop.far.client.session.send(batch, on: hop.farStream)
        hop.far.run()
        let bodies = hop.far.server.takeTold().map { told -> Int? in
            switch told {
            case .packet(hop.farMirror, let bytes): type == .binary ? bytes.count : nil
            case .session(.data(hop.farMirror, type, let body)): body.readableBytes
            default: nil
            }
        }
        #expect(bodies == lengths)
    }

    @Test("an inner session reaches through a portal, both ways and to the end", arguments: 0..<6)
    func throughPortal(seed: Int) throws {
        let hop = try Self.hops()
        hop.near.server.opening = .intoBatch
        hop.far.client.opening = .intoBatch
        let inner = try Wire(client: Wire.identity(1), server: Wire.identity(4), framing: .tunnelled)
        let lengths = SplitLengths(seed: UInt64(seed), most: [1, 60, 20_000][seed % 3])
        func run() {
            while forth() || back() {}
        }
        func forth() -> Bool {
            hop.forward(
                inner.client, hop.near.client, hop.nearStream, hop.near.server, hop.far.client, hop.farStream,
                hop.far.server, hop.farMirror, inner.server, lengths)
        }
        func back() -> Bool {
            hop.forward(
                inner.server, hop.far.server, hop.farMirror, hop.far.client, hop.near.server, hop.nearMirror,
                hop.near.client, hop.nearStream, inner.client, lengths)
        }
        run()
        #expect(inner.client.session.isOpen && inner.server.session.isOpen)
        let stream = try inner.client.session.muxrpc.open(.duplex, ["echo"], [])
        run()
        let mirrored = try #require(inner.server.takeTold().request?.stream)
        let sent = SeededRandom.bytes(20_000, seed: UInt64(seed))
        inner.server.session.send(ByteBuffer(bytes: sent), on: mirrored)
        run()
        #expect(inner.client.takeTold().bytes(of: stream) == sent)
        inner.server.session.close()
        run()
        #expect(inner.client.told.last == .ended && inner.server.told.last == .ended)
    }

    private static func hops() throws -> Hops {
        let near = try Wire.open(client: Wire.identity(1), server: Wire.identity(2))
        let far = try Wire.open(client: Wire.identity(2), server: Wire.identity(4))
        // So that the two hops have different numbers for one tunnel.
        _ = try far.client.session.muxrpc.call(["whoami"], [])
        let nearStream = try near.client.session.muxrpc.open(.duplex, ["tunnel", "connect"], [])
        let farStream = try far.client.session.muxrpc.open(.duplex, ["tunnel", "connect"], [])
        near.run()
        far.run()
        _ = (near.server.takeTold(), far.server.takeTold())
        return Hops(near: near, far: far, nearStream: nearStream, farStream: farStream)
    }
}

/// A client and its portal, the portal and an endpoint, and one stream on each hop.
private struct Hops {
    let near: Wire
    let far: Wire
    let nearStream: StreamID
    let farStream: StreamID
    var nearMirror: StreamID { StreamID(sentNumber: -nearStream.sentNumber) }
    var farMirror: StreamID { StreamID(sentNumber: -farStream.sentNumber) }

    /// Carries what an inner session sends over both hops; whether there was any.
    func forward(
        _ innerSender: Party, _ sender: Party, _ sent: StreamID, _ portalIn: Party, _ portalOut: Party,
        _ relayed: StreamID, _ receiver: Party, _ received: StreamID, _ innerReceiver: Party,
        _ lengths: SplitLengths
    ) -> Bool {
        while let batch = innerSender.session.nextBatch() { sender.session.send(batch, on: sent) }
        let bytes = sender.takeOutbound()
        for piece in Wire.cut(bytes, lengths.next) {
            portalIn.receive(piece)
            portalOut.session.send(portalIn.takeBatch(), on: relayed)
        }
        for piece in Wire.cut(portalOut.takeOutbound(), lengths.next) {
            receiver.receive(piece)
            innerReceiver.receive(receiver.takeTold().bytes(of: received))
        }
        return !bytes.isEmpty
    }
}

extension BodyType {
    fileprivate static let all: [BodyType] = [.binary, .string, .json]
}
