import Multiserver
import MuxRPC
import NIOCore
import SecureSession
import TestSupport
import Testing
import Tunnel
import TypedSodium

/// JavaScript sends what it is given as one packet, and takes such packets.
@Suite("Packets of a stream that are longer than 64 KiB")
struct LongPacketTests {
    private static let longest = Limits.default.cutBodyByteCount

    /// Lets a peer that has called nothing yet send packets of any length.
    private func unlimit(_ peer: SessionPeer) {
        var limits = Limits()
        limits.streamBodyByteCount = .max
        peer.session.muxrpc = RPCConnection(
            manifest: ["tunnel.connect": .duplex, "tunnel.ping": .async], limits: limits)
    }

    private func bytes(_ count: Int) -> ByteBuffer {
        var random = SeededRandom(seed: UInt64(count))
        return ByteBuffer(bytes: random.bytes(count))
    }

    @Test(
        "are echoed up to 1 MiB, and none that is longer",
        arguments: [100_000, longest - 1, longest, longest + 1])
    func echo(byteCount: Int) throws {
        let identity = try Identity.random()
        let portal = try HandmadePortal(
            node: identity, policy: EndpointPolicy(services: [], access: .anyone))
        let (friend, _) = try portal.friend(
            ["target": .string(identity.publicKey.id)], of: identity.publicKey)
        unlimit(friend)
        let stream = try friend.open(.duplex, "echo")
        let bytes = bytes(byteCount)
        try friend.session.muxrpc.send(bytes, on: stream)
        portal.run()
        if byteCount <= Self.longest {
            #expect(friend.takeBytes(on: stream) == bytes && friend.ends.isEmpty)
        } else {
            #expect(friend.ends[stream] == "the body is too long" && friend.bytes.isEmpty)
        }
        #expect(portal.ended.isEmpty)
    }

    @Test("pass a portal in pieces")
    func relayed() throws {
        let world = try PortalWorld()
        let (endpoint, _) = try world.announced()
        let (client, _) = try world.connect(.random())
        unlimit(client)
        let tunnel = try world.tunnel(from: client, to: endpoint)
        let bytes = bytes(Self.longest)
        try client.session.muxrpc.send(bytes, on: tunnel.near)
        try client.session.muxrpc.send(ByteBuffer(string: "behind"), on: tunnel.near)
        world.run()
        var expected = bytes
        expected.writeString("behind")
        #expect(endpoint.takeBytes(on: tunnel.far) == expected)
    }
}
