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

@Suite("A node whose peers go, or say nothing")
struct NodeEndingTests {
    /// A portal's own silence: a peer that is connected to nothing.
    private func lonely(in world: PortalWorld) throws -> NodePeer {
        try NodePeer(.random(), policy: EndpointPolicy(services: [], access: .anyone), in: world)
    }

    @Test("learns that the endpoint has died, and that the rest of a stream is lost")
    func endpointDies() throws {
        let world = try PortalWorld()
        let (endpoint, link) = try world.endpoint()
        let (client, session) = try world.client(of: endpoint.key)
        let near = try client.open(.service("ssh"), on: session)
        near.send([1, 2, 3], end: true)
        world.run()
        world.drop(link)
        #expect(client.ended[session] == .lost)
        #expect(near.close == LocalEnd.Close(failure: .truncated, sent: 3, received: 0))
        #expect(client.ended[.outer] == nil && client.node.tunnelCount == 0)

        endpoint.inputEnded()
        #expect(endpoint.ended[.outer] == .lost && endpoint.node.phase == .broken)
        #expect(endpoint.ends.values.allSatisfy { $0.close?.failure == .truncated })
        #expect(endpoint.node.tunnelCount == 0)
    }

    @Test("loses every session with its portal")
    func portalDies() throws {
        let world = try PortalWorld()
        let (endpoint, _) = try world.endpoint()
        let (client, session) = try world.client(of: endpoint.key)
        client.inputEnded()
        #expect(client.ended == [session: .lost, .outer: .lost])
        #expect(client.node.phase == .broken && client.node.deadline == nil)
        // Whatever the owner still asks for comes to nothing, and is not kept.
        #expect(throws: SessionFailure.lost) { try client.openTunnel(to: endpoint.key) }
        #expect(throws: MuxRPCError.closed) { try client.call("whoami", on: session) }
        #expect(throws: MuxRPCError.closed) { try client.call("whoami", on: .outer) }
        client.node.announce()
        #expect(client.node.tunnelCount == 0 && client.node.nextWrite(at: world.now) == nil)
    }

    @Test("says goodbye inside, in the tunnel and outside, in this order")
    func goodbye() throws {
        let world = try PortalWorld()
        let (endpoint, _) = try world.endpoint()
        let (client, session) = try world.client(of: endpoint.key)
        let inner = try #require(endpoint.inner.first)
        client.node.close(at: world.now)
        world.run()
        #expect(client.ended == [session: nil, .outer: nil])
        #expect(client.node.phase == .finished)
        #expect(endpoint.ended == [inner: nil], "an orderly end, and the endpoint stays")
        #expect(world.portal.metrics.connectionCount == 1)
        #expect(
            world.events.contains { event in
                if case .disconnected(client.key, .goodbye) = event { true } else { false }
            })
    }

    @Test("waits for the peer's goodbye no longer than 2 s")
    func goodbyeTime() throws {
        let world = try PortalWorld()
        let (client, link) = try world.connectNode(.random())
        link.isPeerReading = false
        client.node.close(at: world.now)
        world.wait(.milliseconds(1900))
        #expect(client.ended.isEmpty)
        world.wait(.milliseconds(200))
        #expect(client.ended == [.outer: nil] && client.node.phase == .finished)
    }

    @Test("before its session stands just ends")
    func earlyClose() throws {
        let world = try PortalWorld()
        let node = try lonely(in: world)
        node.node.close(at: world.now)
        #expect(node.nextOutbound() == nil && node.node.phase == .broken)
        #expect(node.ended == [.outer: nil])
    }

    @Test("gives a handshake 10 s, outside")
    func outerHandshake() throws {
        let world = try PortalWorld()
        let node = try lonely(in: world)
        #expect(node.nextOutbound()?.readableBytes == 64)
        #expect(node.deadline == world.now + .seconds(10))
        node.node.timeReached(world.now + .milliseconds(9999))
        #expect(node.node.phase == .running)
        node.node.timeReached(world.now + .seconds(10))
        _ = node.nextOutbound()
        #expect(node.ended == [.outer: .timedOut] && node.node.phase == .broken)
    }

    @Test("gives a handshake 10 s, inside a tunnel that it opened")
    func innerHandshake() throws {
        let world = try PortalWorld()
        let (endpoint, _) = try world.connect(.random())
        _ = try endpoint.call("tunnel.announce")
        world.run()
        let (client, _) = try world.connectNode(.random())
        let session = try client.openTunnel(to: endpoint.key)
        world.wait(.milliseconds(9900))
        #expect(client.ended.isEmpty)
        world.wait(.milliseconds(200))
        #expect(client.ended == [session: .timedOut])
        #expect(endpoint.ends.count == 1, "the tunnel is ended too")
        #expect(world.portal.metrics.tunnelCount == 0)
    }

    @Test("gives a caller 2 s for its hello, and lets nobody in by whom it is kept waiting")
    func answeredHandshakes() throws {
        let world = try PortalWorld()
        let (endpoint, _) = try world.endpoint()
        // A portal passes on few calls of one source that are not answered.
        let clients = try (0..<20).map { try world.connect(.random(), from: "source \($0)").0 }
        for client in clients {
            for _ in 0..<15 {
                _ = try client.open(.duplex, "tunnel.connect", [["target": .string(endpoint.key.id)]])
            }
        }
        world.run()
        // All but an eighth of the places, which is kept for those behind other portals.
        #expect(endpoint.node.tunnelCount == 224)
        let refused = clients.flatMap(\.ends.values)
        #expect(refused.count == 76 && refused.allSatisfy { $0 == ErrorText.busy })
        world.wait(.milliseconds(1_100))
        let (friend, session) = try world.client(of: endpoint.key)
        #expect(friend.established[session] == endpoint.key, "the oldest of those that are silent gives way")
        world.wait(.milliseconds(1_000))
        #expect(endpoint.node.tunnelCount == 1 && clients.flatMap(\.ends).count == 300)
        #expect(endpoint.node.accounts.handshakeCount == 0 && endpoint.node.accounts.sessionCount == 1)
        #expect(world.portal.metrics.tunnelCount == 1)
    }

    @Test("asks a silent portal after 25 s, and gives it up after 45 s")
    func liveness() throws {
        let world = try PortalWorld()
        let (client, link) = try world.connectNode(.random())
        world.wait(.seconds(200))
        #expect(client.ended.isEmpty, "any answer is a sign of life")
        link.isPeerReading = false
        world.wait(.seconds(46))
        #expect(client.ended == [.outer: .timedOut] && client.node.phase == .broken)
    }
}
