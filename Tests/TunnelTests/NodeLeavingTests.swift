import Connection
import MuxRPC
import NIOCore
import PortalCore
import TestSupport
import Testing
import Tunnel
import TypedSodium

/// Go's portals end a session whose data is on its way when the tunnel goes that it is meant for: so goodbye is said
/// inside first, and the tunnel's end awaited.
@Suite("A node that leaves its portal")
struct NodeLeavingTests {
    private let world: PortalWorld
    private let endpoint: NodePeer
    private let endpointLink: Link

    init() throws {
        world = try PortalWorld()
        (endpoint, endpointLink) = try world.endpoint()
    }

    private func hasLeft(_ peer: NodePeer) -> Bool {
        world.events.contains { event in
            if case .disconnected(peer.key, _) = event { true } else { false }
        }
    }

    @Test(
        "ends its tunnels behind the other side's goodbye, and no later than in 300 ms",
        arguments: [false, true])
    func patience(answers: Bool) throws {
        let (client, session) = try world.client(of: endpoint.key)
        endpointLink.isPeerReading = false
        client.node.close(at: world.now)
        world.wait(.milliseconds(100))
        #expect(client.ended.isEmpty && !hasLeft(client))
        #expect(world.portal.metrics.tunnelCount == 1, "the target may be sending")
        #expect(throws: SessionFailure.lost) { try client.openTunnel(to: endpoint.key) }
        if answers {
            endpointLink.isPeerReading = true
            world.run()
        } else {
            world.wait(.milliseconds(199))
            #expect(client.ended.isEmpty)
            world.wait(.milliseconds(1))
        }
        #expect(client.ended == [session: nil, .outer: nil] && client.node.phase == .finished)
        #expect(hasLeft(client))
        endpointLink.isPeerReading = true
        world.run()
        #expect(world.portal.metrics.tunnelCount == 0 && endpoint.node.tunnelCount == 0)
    }

    @Test("waits as an endpoint too, and begins nothing meanwhile")
    func endpointLeaves() throws {
        let (client, clientLink) = try world.connectNode(.random())
        let session = try client.openTunnel(to: endpoint.key)
        world.run()
        let near = try client.open(.service("ssh"), on: session)
        near.send([1, 2, 3], end: false)
        world.run()
        let far = try #require(endpoint.ends.values.first)
        let (late, _) = try world.connectNode(.random())
        clientLink.isPeerReading = false
        endpoint.node.close(at: world.now)
        let refused = try late.openTunnel(to: endpoint.key)
        world.run()
        #expect(far.close?.failure == .truncated, "its local ends go at once")
        #expect(late.ended[refused] == .some(.targetNotThere(ErrorText.busy)))
        #expect(!hasLeft(endpoint))
        world.wait(.milliseconds(300))
        #expect(hasLeft(endpoint) && endpoint.node.phase == .finished)
        clientLink.isPeerReading = true
        world.run()
        #expect(client.ended[session] == .some(nil))
    }

    @Test("does not wait where there is no tunnel")
    func alone() throws {
        let (client, link) = try world.connectNode(.random())
        link.isPeerReading = false
        client.node.close(at: world.now)
        _ = client.nextOutbound()
        #expect(client.node.deadline == world.now + NodeConnection.goodbyeTime)
    }
}
