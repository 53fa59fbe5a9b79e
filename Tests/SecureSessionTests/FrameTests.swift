import BoxStream
import MuxRPC
import NIOCore
import SecureSession
import TestSupport
import Testing
import TypedSodium

@Suite("Frames laid out by others")
struct FrameTests {
    private let stream = StreamID(sentNumber: -1)
    private let body = SeededRandom.bytes(5000, seed: 5)

    @Test("several packets in one box are told in order")
    func severalPackets() throws {
        let (server, client) = try Self.connected()
        let packets =
            HandmadeClient.open(1) + HandmadeClient.bytes(1, [1]) + HandmadeClient.bytes(1, [2, 3])
            + HandmadeClient.call(2)
        server.receive(client.seal(packets))
        let told = server.takeTold()
        #expect(told.count == 4 && told.bytes(of: stream) == [1, 2, 3])
        #expect(told.first == told.request.map { .session(.request($0)) })
    }

    @Test("packets spanning boxes are put together", arguments: [1, 2, 8, 9, 10, 43, 100, 4000])
    func spanning(boxByteCount: Int) throws {
        let (server, client) = try Self.connected()
        let packets = HandmadeClient.open(1) + HandmadeClient.bytes(1, body) + HandmadeClient.call(2)
        server.receive(client.seal(packets, cutAt: boxByteCount))
        let told = server.takeTold()
        #expect(told.count == 3 && told.bytes(of: stream) == body)
    }

    @Test("header and body in boxes of their own, as JavaScript writes them")
    func javaScriptLayout() throws {
        let (server, client) = try Self.connected()
        for packet in [HandmadeClient.open(1), HandmadeClient.bytes(1, Array(body.prefix(4096)))] {
            server.receive(client.seal(Array(packet.prefix(9))))
            server.receive(client.seal(Array(packet.dropFirst(9))))
        }
        #expect(server.takeTold().bytes(of: stream) == Array(body.prefix(4096)))
    }

    @Test("the bytes may be cut anywhere, twice", arguments: 0..<4)
    func everyCut(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let packets = HandmadeClient.open(1) + HandmadeClient.bytes(1, Array(body.prefix(40)))
        for first in 0..<60 {
            let (server, client) = try Self.connected()
            let bytes =
                client.seal(packets, cutAt: Int.random(in: 20...200, using: &random)) + client.goodbye()
            let second = Int.random(in: first..<bytes.count, using: &random)
            server.receive(bytes[..<first])
            server.receive(bytes[first..<second])
            server.receive(bytes[second...])
            let told = server.takeTold()
            #expect(told.bytes(of: stream) == Array(body.prefix(40)) && told.last == .ended)
        }
    }

    @Test("a packet that fills its box is announced only at the boundary of a packet")
    func unaligned() throws {
        let (server, client) = try Self.connected()
        server.receive(client.seal(HandmadeClient.open(1)))
        // A body that looks like a packet of the same stream, inside a packet of that stream.
        let inside = HandmadeClient.bytes(1, [9, 9])
        let packet = HandmadeClient.bytes(1, inside)
        server.receive(client.seal(Array(packet.prefix(9))))
        server.receive(client.seal(inside))
        let told = server.takeTold()
        #expect(told.count == 2 && told.last == .packet(stream, inside))
    }

    @Test("packets that the peer may not send are not announced")
    func unwelcome() throws {
        let (server, client) = try Self.connected()
        let open = #"{"name":["numbers"],"args":[],"type":"source"}"#
        server.receive(client.seal(HandmadeClient.packet(0x0a, 1, Array(open.utf8))))
        #expect(server.takeTold().request?.kind == .source)
        server.receive(client.seal(HandmadeClient.bytes(1, [1])))
        server.receive(client.seal(HandmadeClient.bytes(2, [1])))
        server.receive(client.seal(HandmadeClient.bytes(-1, [1])))
        server.receive(client.seal(HandmadeClient.bytes(0, [1])))
        server.receive(client.seal(HandmadeClient.bytes(.min, [1])))
        #expect(server.takeTold().isEmpty && server.session.isOpen)
    }

    @Test("flags that mean nothing are not announced, so that no relay passes them on")
    func junkFlags() throws {
        let (server, client) = try Self.connected()
        server.receive(client.seal(HandmadeClient.open(1)))
        _ = server.takeTold()
        server.receive(client.seal(HandmadeClient.packet(0xf8, 1, [1, 2])))
        #expect(server.takeTold() == [.session(.data(stream, .binary, ByteBuffer(bytes: [1, 2])))])
    }

    @Test("a flipped bit anywhere fails the session, and nothing more is read or sent", arguments: 0..<4)
    func flippedBit(part: Int) throws {
        var random = SeededRandom(seed: UInt64(part))
        let packets = [HandmadeClient.open(1), HandmadeClient.bytes(1, [1, 2, 3]), HandmadeClient.call(2)]
        let byteCount = packets.reduce(34) { $0 + 34 + $1.count }
        for position in stride(from: part, to: byteCount, by: 4) {
            let (server, client) = try Self.connected()
            var bytes: [UInt8] = []
            for packet in packets { bytes += client.seal(packet) }
            bytes += client.goodbye()
            bytes[position] ^= 1 << UInt8.random(in: 0...7, using: &random)
            let call = try server.session.muxrpc.call(["whoami"], [])
            server.receive(bytes)
            #expect(server.error == .boxStream(.forged), "position \(position)")
            #expect(!server.told.contains(.ended) && call.value == 1)
            Self.expectSilence(server)
        }
    }

    @Test("a replayed and a swapped frame fail the session", arguments: [true, false])
    func order(replayed: Bool) throws {
        let (server, client) = try Self.connected()
        let (first, second) = (client.seal(HandmadeClient.call(1)), client.seal(HandmadeClient.call(2)))
        server.receive(replayed ? first + first : second + first)
        #expect(server.error == .boxStream(.forged))
        #expect(server.told.count == (replayed ? 1 : 0))
        Self.expectSilence(server)
    }

    /// A session after a failure: it takes nothing, says nothing, holds nothing.
    static func expectSilence(_ party: Party) {
        let count = party.told.count
        let error = party.error
        party.receive([UInt8](repeating: 0, count: 5000))
        #expect(party.told.count == count && party.error == error)
        #expect(party.takeOutbound().isEmpty && party.session.outboundByteCount == 0)
        #expect(party.session.inboundByteCount == 0 && party.session.isFinished && !party.session.isOpen)
        #expect(throws: Never.self) { try party.session.inputEnded() }
    }

    /// A server with a handmade client, their handshake done.
    static func connected() throws -> (Party, HandmadeClient) {
        let identity = Wire.identity(2)
        let server = Party(
            SecureSession(answeringAs: identity, network: Wire.network, manifest: Wire.manifest))
        return (server, try HandmadeClient(with: server, key: identity.publicKey))
    }
}
