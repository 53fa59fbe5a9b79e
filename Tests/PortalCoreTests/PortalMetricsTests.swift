import Connection
import Multiserver
import MuxRPC
import NIOCore
import PortalCore
import TestSupport
import Testing
import TypedSodium

@Suite("What a portal counts")
struct PortalMetricsTests {
    @Test("is what it holds, and by outcome what has happened")
    func outcomes() throws {
        let denied = try Identity.random()
        let world = try PortalWorld { $0.policy.denied = [denied.publicKey] }
        let identity = try Identity.random()
        let (endpoint, _) = try world.connect(identity)
        let (client, _) = try world.connect(try .random())
        let refused = try SessionPeer(denied, to: world.portalKey, network: world.network)
        _ = world.join(refused)
        _ = try endpoint.call("tunnel.announce")
        world.run()
        let malformed = try client.call("tunnel.announce", [["hidden": 1]])
        let stream = try client.open(.duplex, "tunnel.connect", [["target": .string(identity.publicKey.id)]])
        let nobody = try client.open(
            .duplex, "tunnel.connect", [["target": .string(try Identity.random().publicKey.id)]])
        world.run()
        #expect(client.replies[malformed] != nil && client.ends[nobody] != nil && client.ends[stream] == nil)

        let metrics = world.portal.metrics
        #expect(metrics.connectionCount == 2 && metrics.acceptedCount == 3 && metrics.denialCount == 1)
        #expect(metrics.handshakes == [.succeeded: 2, .denied: 1])
        #expect(metrics.announcedCount == 1 && metrics.announcements == [.open: 1])
        #expect(metrics.announcementRefusals == [.invalidArguments: 1])
        #expect(metrics.tunnelCount == 1 && metrics.tunnels == [.open: 1])
        #expect(metrics.tunnelRefusals == [.unreachable: 1] && metrics.tunnelCuts.isEmpty)
    }
}
