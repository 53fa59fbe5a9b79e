import Multiserver
import MuxRPC
import NIOCore
import PortalCore
import SecureSession
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("A portal and receivers that do not keep up")
struct PortalReceiverTests {
    @Test("cuts the tunnel of a reader that stands still after 30 seconds while nobody waits")
    func stuck() throws {
        let world = try PortalWorld { $0.tunnelQueueByteCount = 1 << 20 }
        let (still, slow) = try world.announced()
        let (lively, _) = try world.announced()
        let (client, link) = try world.connect(.random())
        let other = try world.tunnel(from: client, to: lively)
        world.wait(.seconds(11))
        let stuck = try world.tunnel(from: client, to: still)

        slow.isPeerReading = false
        link.readByteCount = 256 << 10
        let before = world.events.count
        client.session.send(ByteBuffer(repeating: 1, count: 3 << 20), on: stuck.near)
        world.wait(.milliseconds(29_999))
        #expect(client.ends.isEmpty && !link.connection.wantsInput)

        world.wait(.milliseconds(1))
        client.session.send(ByteBuffer(string: "behind it"), on: other.near)
        world.run()
        let message = TunnelCut.stuck.message
        #expect(client.ends == [stuck.near: message] && link.connection.wantsInput)
        #expect(lively.bytes[other.far] == ByteBuffer(string: "behind it"))
        #expect(world.portal.metrics.queuedByteCount == 0 && world.portal.metrics.tunnelCount == 1)
        #expect(world.events.dropFirst(before) == [.tunnelCut(TunnelID(2), .stuck)])
        slow.isPeerReading = true
        world.run()
        #expect(still.ends == [stuck.far: message])
        #expect(still.bytes.isEmpty, "what waited is dropped")
    }

    @Test("cuts who keeps another tunnel of a sender waiting for a quarter of a second, and the next at once")
    func slow() throws {
        let world = try PortalWorld { $0.tunnelQueueByteCount = 1 << 20 }
        let (endpoint, shared) = try world.announced()
        let (friend, _) = try world.connect(.random(), from: "a friend")
        let (greedy, still) = try world.connect(.random(), from: "elsewhere")
        let good = try world.tunnel(from: friend, to: endpoint)
        let bad = try (0..<2).map { _ in try world.tunnel(from: greedy, to: endpoint) }
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
        #expect(world.portal.metrics.queuedByteCount == 0 && world.portal.metrics.tunnelCount == 1)
    }

    @Test("lets a client lose the tunnel to the endpoint that does not read, and no other")
    func slowEndpoint() throws {
        let world = try PortalWorld { $0.tunnelQueueByteCount = 1 << 20 }
        let (still, slow) = try world.announced()
        let (lively, _) = try world.announced()
        let (client, link) = try world.connect(.random())
        let stuck = try world.tunnel(from: client, to: still)
        let other = try world.tunnel(from: client, to: lively)
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
        let (still, slow) = try world.announced()
        let (greedy, greedyLink) = try world.connect(.random(), from: "greedy")
        let large = try world.tunnel(from: greedy, to: still)
        greedyLink.readByteCount = 256 << 10
        slow.isPeerReading = false
        greedy.session.send(ByteBuffer(repeating: 1, count: 1 << 20), on: large.near)
        world.run()
        #expect(greedy.ends.isEmpty && !greedyLink.connection.wantsInput)
        var modest: [(client: SessionPeer, tunnel: PortalWorld.Tunnel)] = []
        while greedy.ends.isEmpty, modest.count < 20 {
            let (client, _) = try world.connect(.random(), from: "modest \(modest.count)")
            // The endpoint learns of it when it reads again.
            let near = try client.connect(to: still.key.id)
            client.session.send(ByteBuffer(repeating: 2, count: 60_000), on: near)
            world.run()
            modest.append((client, PortalWorld.Tunnel(near: near, far: large.far)))
        }
        #expect(modest.count < 20 && greedy.ends[large.near] == TunnelCut.memory.message)
        slow.isPeerReading = true
        world.run()
        for (client, _) in modest { #expect(client.ends.isEmpty) }
        let arrived = still.tunnels.dropFirst().map { still.bytes[$0.stream]?.readableBytes }
        #expect(arrived == modest.map { _ in 60_000 })
        #expect(world.portal.metrics.queuedByteCount == 0)
    }

    @Test("takes memory for who holds little from who holds most, when there is none")
    func memory() throws {
        let world = try PortalWorld { $0.memoryByteCount = 8 << 20 }
        var (endpoints, links): ([SessionPeer], [Link]) = ([], [])
        for _ in 0..<6 {
            let (endpoint, link) = try world.announced()
            endpoints.append(endpoint)
            links.append(link)
        }
        // Strangers have half of the pool: those that fill take all but what is kept for newcomers.
        for (number, (endpoint, link)) in zip(endpoints, links).enumerated() {
            let (client, fast) = try world.connect(.random(), from: "greedy \(number / 2)")
            fast.readByteCount = 256 << 10
            let tunnel = try world.tunnel(from: client, to: endpoint)
            link.isPeerReading = false
            client.session.send(ByteBuffer(repeating: 1, count: 4 << 20), on: tunnel.near)
            world.run()
        }
        let (modest, _) = try world.connect(.random(), from: "modest")
        let near = try modest.open(.duplex, "tunnel.connect", [["target": .string(endpoints[0].key.id)]])
        modest.session.send(ByteBuffer(repeating: 2, count: 50_000), on: near)
        world.run()
        #expect(modest.ends.isEmpty)
        #expect(world.portal.metrics.heldByteCount <= 4 << 20)
        for link in links { link.isPeerReading = true }
        world.wait(.seconds(1))
        let far = try #require(endpoints[0].tunnels.last?.stream)
        #expect(endpoints[0].bytes[far] == ByteBuffer(repeating: 2, count: 50_000))
    }

    @Test("holds 30 MiB that a program without credit sends ahead, beside a tunnel that is in use")
    func sentAhead() throws {
        let world = try PortalWorld()
        let (endpoint, slow) = try world.announced()
        let (other, _) = try world.announced()
        let (client, fast) = try world.connect(.random())
        let (ahead, pings) = (
            try world.tunnel(from: client, to: endpoint), try world.tunnel(from: client, to: other)
        )
        slow.isPeerReading = false
        fast.readByteCount = 256 << 10
        for second in 0..<30 {
            client.session.send(ByteBuffer(repeating: 1, count: 1 << 20), on: ahead.near)
            client.session.send(ByteBuffer(string: "ping"), on: pings.near)
            world.wait(.milliseconds(100))
            #expect(other.bytes[pings.far]?.readableBytes == 4 * (second + 1))
        }
        #expect(client.ends.isEmpty && fast.connection.wantsInput)
        slow.isPeerReading = true
        world.run()
        #expect(endpoint.bytes[ahead.far]?.readableBytes == 30 << 20)
    }

    @Test("passes one friend's megabyte while forty fill, within two seconds")
    func fortyFill() throws {
        let world = try PortalWorld()
        let (endpoint, shared) = try world.announced()
        shared.readByteCount = 256 << 10
        let friends = try (0..<41).map { try world.connect(.random(), from: "friend \($0)") }
        let tunnels = try friends.map { try world.tunnel(from: $0.0, to: endpoint) }
        for (friend, tunnel) in zip(friends, tunnels).prefix(40) {
            friend.1.isPeerReading = false
            endpoint.session.send(ByteBuffer(repeating: 1, count: 4 << 20), on: tunnel.far)
        }
        endpoint.session.send(ByteBuffer(repeating: 2, count: 1 << 20), on: tunnels[40].far)
        world.wait(.seconds(2))
        #expect(friends[40].0.bytes[tunnels[40].near]?.readableBytes == 1 << 20)
        #expect(friends[40].0.ends.isEmpty)
    }
}
