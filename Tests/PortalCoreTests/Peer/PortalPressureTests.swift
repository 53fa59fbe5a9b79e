import Connection
import Multiserver
import MuxRPC
import NIOCore
import PortalCore
import SecureSession
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("A portal under pressure")
struct PortalPressureTests {
    @Test("pauses the sender at the limit, resumes it, and loses nothing")
    func pauseAndResume() throws {
        let world = try PortalWorld { $0.tunnelQueueByteCount = 1 << 20 }
        let (endpoint, slow) = try world.announced()
        let (client, fast) = try world.connect(.random())
        let tunnel = try world.tunnel(from: client, to: endpoint)

        fast.readByteCount = 256 << 10
        slow.isPeerReading = false
        var random = SeededRandom(seed: 4)
        let bytes = ByteBuffer(bytes: random.bytes(3 << 20))
        client.session.send(bytes, on: tunnel.near)
        world.run()
        #expect(!fast.connection.wantsInput && fast.unread.readableBytes > 1 << 20)
        #expect(slow.connection.wantsInput, "data towards a peer never stops reading from it")
        let queued = world.portal.metrics.queuedByteCount
        #expect(queued > 1 << 20 && queued <= (1 << 20) + (320 << 10), "the limit, and what one read brings")

        world.wait(.seconds(29))
        slow.isPeerReading = true
        world.wait(.seconds(10))
        #expect(fast.connection.wantsInput && fast.unread.readableBytes == 0)
        #expect(endpoint.bytes[tunnel.far] == bytes)
        #expect(world.portal.metrics.queuedByteCount == 0)
        #expect(client.ends.isEmpty && endpoint.ends.isEmpty)
    }

    @Test("lets a sender go that breaks while it is paused, and delivers what it had sent")
    func breaksWhilePaused() throws {
        let world = try PortalWorld { $0.tunnelQueueByteCount = 100_000 }
        let (endpoint, slow) = try world.announced()
        let (client, fast) = try world.connect(.random())
        let tunnel = try world.tunnel(from: client, to: endpoint)
        slow.isPeerReading = false
        client.session.send(ByteBuffer(repeating: 1, count: 200_000), on: tunnel.near)
        world.run()
        #expect(!fast.connection.wantsInput)
        world.drop(fast)
        #expect(fast.connection.phase == .broken)
        #expect(world.portal.metrics.connectionCount == 1)
        world.wait(.seconds(10))
        slow.isPeerReading = true
        world.run()
        #expect(endpoint.bytes[tunnel.far] == ByteBuffer(repeating: 1, count: 200_000))
        #expect(endpoint.ends[tunnel.far] == ErrorText.otherSideIsGone)
    }

    @Test("puts ends behind the data of their direction and drops the other's")
    func ends() throws {
        let world = try PortalWorld()
        let (endpoint, slow) = try world.announced()
        let (client, quick) = try world.connect(.random())
        let tunnel = try world.tunnel(from: client, to: endpoint)
        slow.isPeerReading = false
        quick.isPeerReading = false
        endpoint.session.send(ByteBuffer(string: "never read"), on: tunnel.far)
        world.run()
        client.session.send(ByteBuffer(repeating: 1, count: 500_000), on: tunnel.near)
        client.session.muxrpc.end(tunnel.near)
        world.run()
        endpoint.session.send(ByteBuffer(string: "nor this"), on: tunnel.far)
        slow.isPeerReading = true
        quick.isPeerReading = true
        world.run()
        #expect(endpoint.bytes[tunnel.far] == ByteBuffer(repeating: 1, count: 500_000))
        #expect(endpoint.ends[tunnel.far]?.isEmpty == true)
        #expect(client.bytes[tunnel.near] == nil)
        let metrics = world.portal.metrics
        #expect(metrics.tunnelCount == 0 && metrics.queuedByteCount == 0)
    }

    @Test("serves the tunnels towards one peer in turns")
    func turns() throws {
        let world = try PortalWorld()
        let (endpoint, slow) = try world.announced()
        let clients = try (0..<3).map { _ in try world.connect(.random()).0 }
        let tunnels = try clients.map { try world.tunnel(from: $0, to: endpoint) }
        slow.isPeerReading = false
        for (client, tunnel) in zip(clients, tunnels) {
            client.session.send(ByteBuffer(repeating: 1, count: 1 << 20), on: tunnel.near)
            world.run()
        }
        for _ in 0..<12 {
            guard let bytes = slow.connection.nextWrite(at: world.now) else { break }
            endpoint.receive(bytes)
        }
        let counts = tunnels.map { endpoint.bytes[$0.far]?.readableBytes ?? 0 }
        #expect((counts.max() ?? 0) - (counts.min() ?? 0) <= 64 << 10)
    }

    @Test("does not read a peer that asks and does not read the answers")
    func controlBacklog() throws {
        let world = try PortalWorld { $0.controlByteCount = 10_000 }
        let (peer, link) = try world.connect(.random())
        link.isPeerReading = false
        link.readByteCount = 1000
        let calls = try (0..<1000).map { _ in try peer.call("whoami") }
        world.run()
        #expect(!link.connection.wantsInput && link.unread.readableBytes > 0)
        link.isPeerReading = true
        world.wait(.seconds(20))
        #expect(link.connection.wantsInput && link.unread.readableBytes == 0)
        #expect(peer.replies.count == calls.count)
    }

    @Test("refuses to call an endpoint that leaves its calls unread")
    func unreadCalls() throws {
        let world = try PortalWorld { $0.controlByteCount = 2000 }
        let (endpoint, slow) = try world.announced()
        let (client, _) = try world.connect(.random())
        slow.isPeerReading = false
        let argument: JSONValue = ["target": .string(endpoint.key.id)]
        let streams = try (0..<20).map { _ in try client.open(.duplex, "tunnel.connect", [argument]) }
        world.run()
        let refused = streams.filter { client.ends[$0] == "could not connect to:\(endpoint.key.id)" }
        #expect(!refused.isEmpty && refused.count < 20)
        let busy = streams.filter { client.ends[$0] == "busy" }
        #expect(busy.count == streams.count - refused.count - world.portal.metrics.tunnelCount)
    }

    @Test("allows a connection no more tunnels than the limit")
    func tunnelLimit() throws {
        let world = try PortalWorld { $0.tunnelLimit = 2 }
        let (endpoint, _) = try world.announced()
        let (other, _) = try world.announced()
        let (client, _) = try world.connect(.random())
        _ = try world.tunnel(from: client, to: endpoint)
        _ = try world.tunnel(from: client, to: other)
        let third = try client.open(.duplex, "tunnel.connect", [["target": .string(other.key.id)]])
        world.run()
        #expect(client.ends[third] == "too many tunnels")
    }
}
