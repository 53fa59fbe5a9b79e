import Multiserver
import MuxRPC
import NIOCore
import PortalCore
import SecureSession
import Synchronization
import TestSupport
import Testing
import TypedSodium

@Suite("A portal's inspector")
struct PortalInspectorTests {
    /// Packets that were shown, from whichever loop.
    private final class Shown: Sendable {
        let packets = Mutex([RelayedPacket]())
    }

    @Test("is shown every packet with its sender, the long ones whole, and changes nothing")
    func shows() throws {
        let shown = Shown()
        let world = try PortalWorld { settings in
            settings.inspector = { packet in shown.packets.withLock { $0.append(packet) } }
        }
        let (endpoint, _) = try world.connect(.random())
        _ = try endpoint.call("tunnel.announce", [.null])
        let (client, _) = try world.connect(.random())
        let near = try client.open(.duplex, "tunnel.connect", [["target": .string(endpoint.key.id)]])
        world.run()
        let far = try #require(endpoint.tunnels.first).stream
        #expect(shown.packets.withLock { $0.isEmpty })

        // Longer than one box, so headroom stands in the middle of it.
        var random = SeededRandom(seed: 1)
        let long = ByteBuffer(bytes: (0..<10_000).map { _ in UInt8.random(in: 0 ... .max, using: &random) })
        for body in [ByteBuffer(string: "hello"), long] { client.session.send(body, on: near) }
        world.run()
        endpoint.session.send(ByteBuffer(string: "welcome"), on: far)
        world.run()

        let packets = shown.packets.withLock { $0 }
        let sent = packets.filter { $0.sender == client.key }
        #expect(sent.first?.body == ByteBuffer(string: "hello"))
        #expect(ByteBuffer(bytes: sent.dropFirst().flatMap(\.body.readableBytesView)) == long)
        #expect(packets.last?.sender == endpoint.key && packets.last?.body == ByteBuffer(string: "welcome"))
        #expect(packets.allSatisfy { $0.tunnel == world.firstTunnel })
        #expect(endpoint.bytes[far]?.readableBytes == 5 + long.readableBytes)
        #expect(client.bytes[near] == ByteBuffer(string: "welcome"))
    }
}
