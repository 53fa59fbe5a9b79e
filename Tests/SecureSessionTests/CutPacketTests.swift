import BoxStream
import MuxRPC
import NIOCore
import SecureSession
import TestSupport
import Testing

@Suite("Packets that their sender cuts into several frames")
struct CutPacketTests {
    private let stream = StreamID(sentNumber: -1)

    @Test("any packets in any frames arrive as they were sent, in order", arguments: 0..<12)
    func anyCut(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let (server, client) = try FrameTests.connected()
        server.receive(client.seal(HandmadeClient.open(1) + HandmadeClient.open(3)))
        _ = server.takeTold()
        let longest = seed.isMultiple(of: 3) ? 65536 : 6000
        let bodies = (0..<40).map { index in
            (
                number: [1, 3][index % 2],
                bytes: SeededRandom.bytes(Int.random(in: 1...longest, using: &random), seed: UInt64(index))
            )
        }
        var rest = bodies.flatMap { HandmadeClient.bytes(Int32($0.number), $0.bytes) }[...]
        while !rest.isEmpty {
            // Frames of a header, of what a header leaves, and of anything.
            let byteCount = [9, 34, 4087, 4096, Int.random(in: 1...4096, using: &random)]
                .randomElement(using: &random)
            server.receive(client.seal(Array(rest.prefix(byteCount ?? 1))))
            rest = rest.dropFirst(byteCount ?? 1)
        }
        let told = server.takeTold()
        #expect(server.error == nil && told.count == bodies.count)
        for number in [1, 3] {
            let sent = bodies.filter { $0.number == number }.flatMap(\.bytes)
            #expect(told.bytes(of: StreamID(sentNumber: -Int32(number))) == sent)
        }
    }

    @Test("stand in a batch as if they had come in one", arguments: [9, 34, 100, 4000, 4096])
    func intoBatch(frameByteCount: Int) throws {
        let (server, client) = try FrameTests.connected()
        server.receive(client.seal(HandmadeClient.open(1)))
        server.opening = .intoBatch
        let bodies = [1, 34, 4087, 4088, 4096, 4130, 8183, 65536]
            .map { SeededRandom.bytes($0, seed: UInt64($0)) }
        for body in bodies {
            server.receive(client.seal(HandmadeClient.bytes(1, body), cutAt: frameByteCount))
        }
        let batch = server.takeBatch()
        #expect(batch.bodies.map { Array(buffer: $0) } == bodies)
        let expected = bodies.reduce(0) { $0 + PacketBatch.byteCount(ofPacketWithBody: $1.count) }
        #expect(batch.byteCount == expected)
    }

    @Test("are dropped when nobody opens them, and the next one is whole")
    func unopened() throws {
        let (server, client) = try FrameTests.connected()
        server.receive(client.seal(HandmadeClient.open(1)))
        _ = server.takeTold()
        server.opening = .never
        server.receive(client.seal(HandmadeClient.bytes(1, [1, 2, 3]), cutAt: 10))
        server.opening = .intoBuffer
        server.receive(client.seal(HandmadeClient.bytes(1, [4, 5, 6]), cutAt: 10))
        #expect(server.takeTold() == [.packet(stream, []), .packet(stream, [4, 5, 6])])
    }

    @Test("are dropped when their stream ends in their midst")
    func endedStream() throws {
        let (server, client) = try FrameTests.connected()
        server.receive(client.seal(HandmadeClient.open(1) + HandmadeClient.open(2)))
        _ = server.takeTold()
        let packet = HandmadeClient.bytes(1, SeededRandom.bytes(5000, seed: 1))
        server.receive(client.seal(Array(packet.prefix(4000))))
        server.session.muxrpc.end(stream)
        // The frame with its end has the beginning of another stream's packet in it.
        server.receive(client.seal(Array(packet.dropFirst(4000)) + HandmadeClient.bytes(2, [7, 8])))
        #expect(server.takeTold().bytes(of: StreamID(sentNumber: -2)) == [7, 8])
        #expect(server.error == nil)
    }

    @Test("are skipped when they are longer than a stream's may be")
    func tooLong() throws {
        let (server, client) = try FrameTests.connected()
        server.receive(client.seal(HandmadeClient.open(1) + HandmadeClient.open(2)))
        _ = server.takeTold()
        let limit = Limits.default.cutBodyByteCount
        let packet = HandmadeClient.bytes(1, [UInt8](repeating: 1, count: limit + 1))
        server.receive(client.seal(packet, cutAt: 4096))
        server.receive(client.seal(HandmadeClient.bytes(2, [7]), cutAt: 9))
        let told = server.takeTold()
        #expect(told.bytes(of: stream).isEmpty)
        #expect(told.last == .packet(StreamID(sentNumber: -2), [7]))
    }

    @Test("are taken in pieces up to 1 MiB, in frames of any length", arguments: [9, 34, 1000, 4096])
    func long(frameByteCount: Int) throws {
        let (server, client) = try FrameTests.connected()
        server.receive(client.seal(HandmadeClient.open(1) + HandmadeClient.open(2)))
        _ = server.takeTold()
        let longest = frameByteCount < 1000 ? 70_000 : Limits.default.cutBodyByteCount
        let bodies = [longest, Limits.default.streamBodyByteCount + 1, 5].map {
            SeededRandom.bytes($0, seed: UInt64($0))
        }
        for body in bodies {
            server.receive(client.seal(HandmadeClient.bytes(1, body), cutAt: frameByteCount))
            server.receive(client.seal(HandmadeClient.bytes(2, [7]), cutAt: 9))
        }
        let told = server.takeTold()
        #expect(server.error == nil)
        #expect(told.bytes(of: stream) == bodies.flatMap(\.self))
        #expect(told.bytes(of: StreamID(sentNumber: -2)) == [7, 7, 7])
    }

    @Test("are not announced before their last byte, whatever else comes in between is theirs")
    func unfinished() throws {
        let (server, client) = try FrameTests.connected()
        server.receive(client.seal(HandmadeClient.open(1)))
        _ = server.takeTold()
        let packet = HandmadeClient.bytes(1, SeededRandom.bytes(300, seed: 2))
        for byte in packet.dropLast() { server.receive(client.seal([byte])) }
        #expect(server.takeTold().isEmpty)
        server.receive(client.goodbye())
        #expect(server.takeTold() == [.ended])
    }
}
