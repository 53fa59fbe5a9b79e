import MuxRPC
import Multiserver
import NIOCore
import Relay
import SecureSession
import Sodium
import TestSupport
import Testing
import Transport
import Tunnel

@Suite("A portal under pressure")
struct PortalPressureTests {
    private struct Tunnel {
        let near: StreamID
        let far: StreamID
    }

    /// A client with tunnels to an endpoint.
    private func connect(
        _ client: SessionPeer, to endpoint: SessionPeer, in world: PortalWorld
    ) throws -> Tunnel {
        let near = try client.open(.duplex, "tunnel.connect", [["target": .string(endpoint.key.id)]])
        world.run()
        return Tunnel(near: near, far: try #require(endpoint.tunnels.last?.stream))
    }

    private func announced(in world: PortalWorld) throws -> (SessionPeer, Link) {
        let (endpoint, link) = try world.connect(.random())
        _ = try endpoint.call("tunnel.announce")
        world.run()
        return (endpoint, link)
    }

    @Test("pauses the sender at the limit, resumes it, and loses nothing")
    func pauseAndResume() throws {
        let world = try PortalWorld { $0.tunnelQueueByteCount = 1 << 20 }
        let (endpoint, slow) = try announced(in: world)
        let (client, fast) = try world.connect(.random())
        let tunnel = try connect(client, to: endpoint, in: world)

        fast.readByteCount = 256 << 10
        slow.isPeerReading = false
        var random = SeededRandom(seed: 4)
        let bytes = ByteBuffer(bytes: random.bytes(3 << 20))
        client.session.send(bytes, on: tunnel.near)
        world.run()
        #expect(!fast.connection.wantsInput && fast.unread.readableBytes > 1 << 20)
        #expect(slow.connection.wantsInput, "data towards a peer never stops reading from it")
        let queued = world.portal.statistics.queuedByteCount
        #expect(queued > 1 << 20 && queued <= (1 << 20) + (320 << 10), "the limit, and what one read brings")

        world.wait(.seconds(29))
        slow.isPeerReading = true
        world.wait(.seconds(10))
        #expect(fast.connection.wantsInput && fast.unread.readableBytes == 0)
        #expect(endpoint.bytes[tunnel.far] == bytes)
        #expect(world.portal.statistics.queuedByteCount == 0)
        #expect(client.ends.isEmpty && endpoint.ends.isEmpty)
    }

    @Test("lets a sender go that breaks while it is paused, and delivers what it had sent")
    func breaksWhilePaused() throws {
        let world = try PortalWorld { $0.tunnelQueueByteCount = 100_000 }
        let (endpoint, slow) = try announced(in: world)
        let (client, fast) = try world.connect(.random())
        let tunnel = try connect(client, to: endpoint, in: world)
        slow.isPeerReading = false
        client.session.send(ByteBuffer(repeating: 1, count: 200_000), on: tunnel.near)
        world.run()
        #expect(!fast.connection.wantsInput)
        world.drop(fast)
        #expect(fast.connection.phase == .broken)
        #expect(world.portal.statistics.connectionCount == 1)
        world.wait(.seconds(10))
        slow.isPeerReading = true
        world.run()
        #expect(endpoint.bytes[tunnel.far] == ByteBuffer(repeating: 1, count: 200_000))
        #expect(endpoint.ends[tunnel.far] == PortalMessage.otherSideIsGone)
    }

    @Test("cuts the tunnel of a reader that stands still after 30 seconds while nobody waits")
    func stuck() throws {
        let world = try PortalWorld { $0.tunnelQueueByteCount = 1 << 20 }
        let (still, slow) = try announced(in: world)
        let (lively, _) = try announced(in: world)
        let (client, link) = try world.connect(.random())
        let other = try connect(client, to: lively, in: world)
        world.wait(.seconds(11))
        let stuck = try connect(client, to: still, in: world)

        slow.isPeerReading = false
        link.readByteCount = 256 << 10
        let before = world.happenings.count
        client.session.send(ByteBuffer(repeating: 1, count: 3 << 20), on: stuck.near)
        world.wait(.milliseconds(29_999))
        #expect(client.ends.isEmpty && !link.connection.wantsInput)

        world.wait(.milliseconds(1))
        client.session.send(ByteBuffer(string: "behind it"), on: other.near)
        world.run()
        let message = TunnelCut.stuck.message
        #expect(client.ends == [stuck.near: message] && link.connection.wantsInput)
        #expect(lively.bytes[other.far] == ByteBuffer(string: "behind it"))
        #expect(world.portal.statistics.queuedByteCount == 0 && world.portal.statistics.tunnelCount == 1)
        #expect(world.happenings.dropFirst(before) == [.tunnelCut(TunnelID(2), .stuck)])
        slow.isPeerReading = true
        world.run()
        #expect(still.ends == [stuck.far: message])
        #expect(still.bytes.isEmpty, "what waited is dropped")
    }

    @Test("cuts who keeps another tunnel of a sender waiting for a quarter of a second, and the next at once")
    func slow() throws {
        let world = try PortalWorld { $0.tunnelQueueByteCount = 1 << 20 }
        let (endpoint, shared) = try announced(in: world)
        let (friend, _) = try world.connect(.random(), from: "a friend")
        let (greedy, still) = try world.connect(.random(), from: "elsewhere")
        let good = try connect(friend, to: endpoint, in: world)
        let bad = try (0..<2).map { _ in try connect(greedy, to: endpoint, in: world) }
        still.isPeerReading = false
        shared.readByteCount = 256 << 10
        endpoint.session.send(ByteBuffer(repeating: 1, count: 2 << 20), on: bad[0].far)
        endpoint.session.send(ByteBuffer(string: "behind it"), on: good.far)
        world.wait(.milliseconds(250))
        #expect(endpoint.ends.isEmpty && friend.bytes.isEmpty && !shared.connection.wantsInput)
        world.wait(.milliseconds(1))
        #expect(endpoint.ends == [bad[0].far: TunnelCut.slow.message])
        #expect(friend.bytes[good.near] == ByteBuffer(string: "behind it"))

        endpoint.session.send(ByteBuffer(repeating: 1, count: 2 << 20), on: bad[1].far)
        endpoint.session.send(ByteBuffer(string: "and again"), on: good.far)
        world.run()
        #expect(endpoint.ends[bad[1].far] == TunnelCut.slow.message)
        #expect(friend.bytes[good.near] == ByteBuffer(string: "behind itand again"))
        #expect(friend.ends.isEmpty)
        still.isPeerReading = true
        world.run()
        #expect(greedy.ends.values.allSatisfy { $0 == TunnelCut.slow.message })
        #expect(world.portal.statistics.queuedByteCount == 0 && world.portal.statistics.tunnelCount == 1)
    }

    @Test("lets a client lose the tunnel to the endpoint that does not read, and no other")
    func slowEndpoint() throws {
        let world = try PortalWorld { $0.tunnelQueueByteCount = 1 << 20 }
        let (still, slow) = try announced(in: world)
        let (lively, _) = try announced(in: world)
        let (client, link) = try world.connect(.random())
        let stuck = try connect(client, to: still, in: world)
        let other = try connect(client, to: lively, in: world)
        slow.isPeerReading = false
        link.readByteCount = 256 << 10
        client.session.send(ByteBuffer(repeating: 1, count: 3 << 20), on: stuck.near)
        client.session.send(ByteBuffer(repeating: 2, count: 3 << 20), on: other.near)
        world.wait(.milliseconds(251))
        #expect(client.ends == [stuck.near: TunnelCut.slow.message])
        #expect(lively.bytes[other.far] == ByteBuffer(repeating: 2, count: 3 << 20))
    }

    @Test("cuts the largest caller of an endpoint when its tunnels hold more than their part")
    func endpointCap() throws {
        let world = try PortalWorld { $0.memoryByteCount = 4 << 20 }
        let (still, slow) = try announced(in: world)
        let (greedy, greedyLink) = try world.connect(.random(), from: "greedy")
        let large = try connect(greedy, to: still, in: world)
        greedyLink.readByteCount = 256 << 10
        slow.isPeerReading = false
        greedy.session.send(ByteBuffer(repeating: 1, count: 1 << 20), on: large.near)
        world.run()
        #expect(greedy.ends.isEmpty && !greedyLink.connection.wantsInput)
        var modest: [(client: SessionPeer, tunnel: Tunnel)] = []
        while greedy.ends.isEmpty, modest.count < 20 {
            let (client, _) = try world.connect(.random(), from: "modest \(modest.count)")
            // The endpoint learns of it when it reads again.
            let near = try client.open(.duplex, "tunnel.connect", [["target": .string(still.key.id)]])
            client.session.send(ByteBuffer(repeating: 2, count: 60_000), on: near)
            world.run()
            modest.append((client, Tunnel(near: near, far: large.far)))
        }
        #expect(modest.count < 20 && greedy.ends[large.near] == TunnelCut.memory.message)
        slow.isPeerReading = true
        world.run()
        for (client, _) in modest { #expect(client.ends.isEmpty) }
        let arrived = still.tunnels.dropFirst().map { still.bytes[$0.stream]?.readableBytes }
        #expect(arrived == modest.map { _ in 60_000 })
        #expect(world.portal.statistics.queuedByteCount == 0)
    }

    @Test("takes memory for who holds little from who holds most, when there is none")
    func memory() throws {
        let world = try PortalWorld { $0.memoryByteCount = 8 << 20 }
        var (endpoints, links): ([SessionPeer], [Link]) = ([], [])
        for _ in 0..<6 {
            let (endpoint, link) = try announced(in: world)
            endpoints.append(endpoint)
            links.append(link)
        }
        // Strangers have half of the pool: those that fill take all but what is kept for newcomers.
        for (number, (endpoint, link)) in zip(endpoints, links).enumerated() {
            let (client, fast) = try world.connect(.random(), from: "greedy \(number / 2)")
            fast.readByteCount = 256 << 10
            let tunnel = try connect(client, to: endpoint, in: world)
            link.isPeerReading = false
            client.session.send(ByteBuffer(repeating: 1, count: 4 << 20), on: tunnel.near)
            world.run()
        }
        let (modest, _) = try world.connect(.random(), from: "modest")
        let near = try modest.open(.duplex, "tunnel.connect", [["target": .string(endpoints[0].key.id)]])
        modest.session.send(ByteBuffer(repeating: 2, count: 50_000), on: near)
        world.run()
        #expect(modest.ends.isEmpty)
        #expect(world.portal.statistics.heldByteCount <= 4 << 20)
        for link in links { link.isPeerReading = true }
        world.wait(.seconds(1))
        let far = try #require(endpoints[0].tunnels.last?.stream)
        #expect(endpoints[0].bytes[far] == ByteBuffer(repeating: 2, count: 50_000))
    }

    @Test("puts ends behind the data of their direction and drops the other's")
    func ends() throws {
        let world = try PortalWorld()
        let (endpoint, slow) = try announced(in: world)
        let (client, quick) = try world.connect(.random())
        let tunnel = try connect(client, to: endpoint, in: world)
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
        let statistics = world.portal.statistics
        #expect(statistics.tunnelCount == 0 && statistics.queuedByteCount == 0)
    }

    @Test("serves the tunnels towards one peer in turns")
    func turns() throws {
        let world = try PortalWorld()
        let (endpoint, slow) = try announced(in: world)
        let clients = try (0..<3).map { _ in try world.connect(.random()).0 }
        let tunnels = try clients.map { try connect($0, to: endpoint, in: world) }
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
        world.run()
        #expect(link.connection.wantsInput && link.unread.readableBytes == 0)
        #expect(peer.replies.count == calls.count)
    }

    @Test("refuses to call an endpoint that leaves its calls unread")
    func unreadCalls() throws {
        let world = try PortalWorld { $0.controlByteCount = 2000 }
        let (endpoint, slow) = try announced(in: world)
        let (client, _) = try world.connect(.random())
        slow.isPeerReading = false
        let argument: JSONValue = ["target": .string(endpoint.key.id)]
        let streams = try (0..<20).map { _ in try client.open(.duplex, "tunnel.connect", [argument]) }
        world.run()
        let refused = streams.filter { client.ends[$0] == "could not connect to:\(endpoint.key.id)" }
        #expect(!refused.isEmpty && refused.count < 20)
        let busy = streams.filter { client.ends[$0] == "busy" }
        #expect(busy.count == streams.count - refused.count - world.portal.statistics.tunnelCount)
    }

    @Test("allows a connection no more tunnels than the limit")
    func tunnelLimit() throws {
        let world = try PortalWorld { $0.tunnelLimit = 2 }
        let (endpoint, _) = try announced(in: world)
        let (other, _) = try announced(in: world)
        let (client, _) = try world.connect(.random())
        _ = try connect(client, to: endpoint, in: world)
        _ = try connect(client, to: other, in: world)
        let third = try client.open(.duplex, "tunnel.connect", [["target": .string(other.key.id)]])
        world.run()
        #expect(client.ends[third] == "too many tunnels")
    }
}
