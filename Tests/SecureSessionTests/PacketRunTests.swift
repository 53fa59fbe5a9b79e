import BoxStream
import MuxRPC
import NIOCore
import SecureSession
import TestSupport
import Testing

/// Several packets of one stream, opened by one call.
@Suite("Runs of packets")
struct PacketRunTests {
    private static let wide = PacketBatch.Limit(
        byteCount: 1 << 20, packetCount: 0, leastPacketByteCount: 0)

    /// A server with two open streams, its client, and their numbers.
    private static func connected() throws -> (Party, HandmadeClient) {
        let (server, client) = try FrameTests.connected()
        for number in [1, 2] as [Int32] { server.receive(client.seal(HandmadeClient.open(number))) }
        _ = server.takeTold()
        return (server, client)
    }

    private static func open(
        _ batch: inout PacketBatch, from server: Party, within limit: PacketBatch.Limit = wide
    ) -> Int {
        server.session.openPackets(into: &batch, within: limit)
    }

    private static func frames(_ client: HandmadeClient, _ number: Int32, _ bodies: [[UInt8]]) -> [UInt8] {
        bodies.flatMap { client.seal(HandmadeClient.bytes(number, $0)) }
    }

    private static func packet(of server: Party, _ number: Int32) throws -> Bool {
        guard case .packet(StreamID(sentNumber: -number), _)? = try server.session.next() else {
            return false
        }
        return true
    }

    @Test("a run has what has come whole of one stream, and nothing behind it is lost")
    func untilAnotherStream() throws {
        let (server, client) = try Self.connected()
        let bodies = (1...9 as ClosedRange<UInt8>).map { [UInt8](repeating: $0, count: 300 * Int($0)) }
        let read =
            Self.frames(client, 1, bodies) + Self.frames(client, 2, [[7]])
            + Self.frames(client, 1, [[8]])
        server.session.receive(ByteBuffer(bytes: read.dropLast()))
        #expect(try Self.packet(of: server, 1))
        var batch = PacketBatch(capacity: 1 << 16)
        #expect(Self.open(&batch, from: server) == bodies.count)
        #expect(batch.bodies.map { Array(buffer: $0) } == bodies)
        #expect(try Self.packet(of: server, 2))
        #expect(Self.open(&batch, from: server) == 1)
        server.drain()
        #expect(server.takeTold().isEmpty)
        server.session.receive(ByteBuffer(bytes: read.suffix(1)))
        #expect(try Self.packet(of: server, 1))
        #expect(Self.open(&batch, from: server) == 1)
        #expect(batch.bodies.map { Array(buffer: $0) } == bodies + [[7], [8]])
        #expect(Self.open(&batch, from: server) == 0)
    }

    @Test("a run keeps within its limits and the batch's memory")
    func limited() throws {
        let (server, client) = try Self.connected()
        let bodies = [[UInt8]](repeating: [UInt8](repeating: 1, count: 57), count: 100)
        server.session.receive(ByteBuffer(bytes: Self.frames(client, 1, bodies)))
        for (limit, capacity, expected) in [
            (PacketBatch.Limit(byteCount: 1000, packetCount: 0, leastPacketByteCount: 0), 4096, 10),
            (PacketBatch.Limit(byteCount: 1000, packetCount: 0, leastPacketByteCount: 300), 4096, 4),
            (PacketBatch.Limit(byteCount: 1000, packetCount: 2, leastPacketByteCount: 300), 4096, 2),
            (Self.wide, 512, 5),
        ] {
            #expect(try Self.packet(of: server, 1))
            var batch = PacketBatch(capacity: capacity)
            #expect(Self.open(&batch, from: server, within: limit) == expected)
            #expect(batch.byteCount == 100 * expected)
        }
    }

    @Test("what is no packet of the stream is told behind a run", arguments: 0..<3)
    func whatStops(way: Int) throws {
        let (server, client) = try Self.connected()
        let run = Self.frames(client, 1, [[5], [6]])
        let stop =
            switch way {
            case 0: client.seal(HandmadeClient.packet(0x0e, 1, Array("true".utf8)))
            case 1: client.seal(HandmadeClient.bytes(1, [1, 2, 3, 4]), cutAt: 10)
            default: client.goodbye()
            }
        server.session.receive(ByteBuffer(bytes: run + stop))
        #expect(try Self.packet(of: server, 1))
        var batch = PacketBatch(capacity: 4096)
        #expect(Self.open(&batch, from: server) == 2)
        server.drain()
        let told = server.takeTold()
        switch way {
        case 0: #expect(told == [.session(.ended(StreamID(sentNumber: -1), nil))])
        case 1: #expect(told == [.packet(StreamID(sentNumber: -1), [1, 2, 3, 4])])
        default: #expect(told == [.ended])
        }
    }

    @Test("a frame that is forged behind others fails the session, which has opened those")
    func forged() throws {
        for position in [0, 20, 40, 90] {
            let (server, client) = try Self.connected()
            var read = Self.frames(client, 1, [[1], [2], [3]])
            let whole = read.count
            read += Self.frames(client, 1, [[UInt8](repeating: 4, count: 60)])
            read[whole + position] ^= 1
            server.session.receive(ByteBuffer(bytes: read))
            #expect(try Self.packet(of: server, 1))
            var batch = PacketBatch(capacity: 4096)
            #expect(Self.open(&batch, from: server) == 3)
            #expect(throws: SecureSessionError.boxStream(.forged)) { try server.session.next() }
            #expect(server.session.isFinished && server.session.inboundByteCount == 0)
        }
    }

    @Test("however a read is cut, runs bring the same packets in the same order", arguments: 0..<12)
    func anyCut(seed: Int) throws {
        let (server, client) = try Self.connected()
        var random = SeededRandom(seed: UInt64(seed))
        var expected: [[UInt8]] = []
        var bytes: [UInt8] = []
        for _ in 0..<120 {
            let number: Int32 = Int.random(in: 0..<4, using: &random) == 0 ? 2 : 1
            let body = random.bytes(Int.random(in: 1...[40, 4087][seed % 2], using: &random))
            // Some as other programs send them, in several boxes.
            let limit = Int.random(in: 0..<10, using: &random) == 0 ? 9 + body.count / 2 : 4096
            bytes += client.seal(HandmadeClient.bytes(number, body), cutAt: limit)
            expected.append([UInt8(number)] + body)
        }
        bytes += client.goodbye()
        var found: [[UInt8]] = []
        let lengths = SplitLengths(seed: UInt64(seed), most: [100, 5000, 100_000][seed % 3])
        var last: SecureSession.Event?
        for piece in Wire.cut(bytes, lengths.next) {
            server.session.receive(ByteBuffer(bytes: piece))
            while let event = try server.session.next() {
                last = event
                switch event {
                case .packet(let stream, let byteCount):
                    var batch = PacketBatch(capacity: byteCount + 20_000)
                    let count = Self.open(&batch, from: server)
                    #expect(batch.bodies.count == count)
                    found += batch.bodies.map { [UInt8(-stream.sentNumber)] + Array(buffer: $0) }
                case .session(.data(let stream, .binary, let body)):
                    found.append([UInt8(-stream.sentNumber)] + Array(buffer: body))
                default: break
                }
            }
        }
        #expect(found == expected)
        guard case .ended? = last else {
            Issue.record("the goodbye was not told")
            return
        }
    }

    @Test("keystream ahead stays between reads where the owner wants it, and goes when it rests")
    func keystream() throws {
        let (server, client) = try Self.connected()
        for keeps in [false, true] {
            server.session.keepsKeystream = keeps
            server.receive(Self.frames(client, 1, [[1], [2], [3]]))
            #expect(server.session.holdsKeystream == keeps)
        }
        server.receive(Self.frames(client, 1, [[4]]))
        #expect(server.session.holdsKeystream)
        server.session.rest()
        #expect(!server.session.holdsKeystream)
        server.receive(Self.frames(client, 1, [[5]]))
        #expect(!server.session.holdsKeystream)
        #expect(server.takeTold().count == 8 && server.error == nil)
    }
}
