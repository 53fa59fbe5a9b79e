import BoxStream
import MuxRPC
import NIOCore
import SecureSession
import TestSupport
import Testing

@Suite("What a session holds")
struct MemoryTests {
    @Test("less than a frame is held while one is pending, however long it comes", arguments: [1, 1000])
    func partialFrame(pieceByteCount: Int) throws {
        let (server, client) = try FrameTests.connected()
        server.receive(client.seal(HandmadeClient.open(1)))
        let packets = (0..<5).flatMap { _ in HandmadeClient.bytes(1, [UInt8](repeating: 1, count: 4087)) }
        for piece in Wire.cut(client.seal(packets, cutAt: 4096), { pieceByteCount }) {
            server.receive(piece)
            #expect(server.session.inboundByteCount < 4096)
        }
        #expect(server.session.inboundByteCount == 0)
    }

    @Test("a read's buffer is let go once its frames are told", arguments: [0, 1, 33, 34, 35, 4000])
    func readBuffer(leftoverByteCount: Int) throws {
        let (server, client) = try FrameTests.connected()
        server.receive(client.seal(HandmadeClient.open(1)))
        let frames = client.seal(HandmadeClient.bytes(1, [UInt8](repeating: 1, count: 4087)))
        let following = client.seal(HandmadeClient.bytes(1, [UInt8](repeating: 2, count: 4087)))
        var read = ByteBuffer(bytes: frames + following.prefix(leftoverByteCount))
        server.receive(read)
        #expect(server.session.inboundByteCount <= leftoverByteCount)
        #expect(Self.isUnshared(&read))
        server.receive(following.dropFirst(leftoverByteCount))
        #expect(server.session.inboundByteCount == 0)
    }

    @Test("a read's buffer is let go by a failed, a refused and a closed session", arguments: 0..<3)
    func afterTheEnd(way: Int) throws {
        let wire = try Wire()
        wire.server.accepts = false
        let party = way == 2 ? wire.client : wire.server
        var read = ByteBuffer(repeating: 1, count: 63)
        party.receive(read)
        #expect(party.session.inboundByteCount == 63)
        switch way {
        case 0: party.receive([1])
        case 1: party.session.refuse()
        default: party.session.close()
        }
        #expect(party.session.inboundByteCount == 0 && party.session.isFinished)
        #expect(Self.isUnshared(&read))
    }

    @Test("an owner that is always behind loses nothing")
    func laggingOwner() throws {
        let (server, client) = try FrameTests.connected()
        server.receive(client.seal(HandmadeClient.open(1)))
        let stream = try #require(server.takeTold().request?.stream)
        var expected: [UInt8] = []
        var told: [UInt8] = []
        for index in 0..<200 as Range<UInt8> {
            // Two frames at first, then one for each that is taken: the buffer never runs empty.
            let frames = (index == 0 ? 0...1 : (index + 1)...(index + 1)).flatMap { value in
                client.seal(HandmadeClient.bytes(1, [value, value]))
            }
            expected += [index, index]
            server.session.receive(ByteBuffer(bytes: frames))
            guard case .packet(stream, 2) = try server.session.next() else { break }
            var body = ByteBuffer()
            server.session.openPacket(into: &body)
            told += Array(buffer: body)
        }
        #expect(told == expected)
        #expect(server.session.inboundByteCount == 34 + 9 + 2)
    }

    @Test("a claimed length costs nothing before its bytes have come")
    func claimedLength() throws {
        let (server, client) = try FrameTests.connected()
        server.receive(client.seal([0x02, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1]))
        for _ in 0..<50 { server.receive(client.seal([UInt8](repeating: 0, count: 4096))) }
        #expect(server.session.inboundByteCount == 0 && server.told.isEmpty && server.session.isOpen)
    }

    @Test("answers of a failed session do not pile up")
    func answersAfterFailure() throws {
        let (server, client) = try FrameTests.connected()
        server.receive(client.seal(HandmadeClient.call(1)))
        let request = try #require(server.takeTold().request)
        server.receive([UInt8](repeating: 0, count: 34))
        #expect(server.error == .boxStream(.forged))
        #expect(throws: MuxRPCError.notOpen(1)) {
            try server.session.muxrpc.reply(to: request.number, with: true)
        }
        #expect(throws: MuxRPCError.closed) { _ = try server.session.muxrpc.call(["whoami"], []) }
        server.session.muxrpc.fail(request.number, message: "no")
        #expect(server.session.outboundByteCount == 0)
    }

    @Test("what waits to be sent is counted until it is taken")
    func outbound() throws {
        let (wire, stream, _) = try CallTests.openStream()
        wire.client.session.send(ByteBuffer(repeating: 1, count: 1000), on: stream)
        try wire.client.session.muxrpc.send(true, on: stream)
        #expect(wire.client.session.outboundByteCount == 34 + 9 + 1000 + 9 + 4)
        #expect(wire.client.takeOutbound().count == 34 + 9 + 1000 + 34 + 9 + 4)
        #expect(wire.client.session.outboundByteCount == 0)
    }

    /// Whether nobody else holds a buffer's memory: only then is it cleared in place.
    private static func isUnshared(_ buffer: inout ByteBuffer) -> Bool {
        let address = unsafe buffer.withVeryUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
        buffer.clear()
        return unsafe buffer.withVeryUnsafeBytes { UInt(bitPattern: $0.baseAddress) } == address
    }
}
