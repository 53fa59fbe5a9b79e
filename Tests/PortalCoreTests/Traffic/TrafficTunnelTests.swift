import Connection
import Multiserver
import MuxRPC
import NIOCore
import PortalCore
import SecureSession
import TestSupport
import Testing
import TypedSodium

@Suite("A tunnel whose payer may have so much")
struct TrafficTunnelTests {
    private struct Stage {
        let world: PortalWorld
        let endpoint: SessionPeer
        let client: SessionPeer
    }

    /// A portal with an endpoint, a member or not, and a client who is none.
    private func stage(isMember: Bool = true, _ change: (inout TrafficSettings) -> Void) throws -> Stage {
        let member = try Identity.random()
        let world = try PortalWorld { settings in
            if isMember { settings.policy.members = [member.publicKey] }
            change(&settings.traffic)
        }
        let (endpoint, _) = try world.announced(member)
        let (client, _) = try world.connect(.random(), from: "192.0.2.7")
        return Stage(world: world, endpoint: endpoint, client: client)
    }

    private var cuts: (PortalEvent) -> TunnelCut? {
        { event in if case .tunnelCut(_, let cut) = event { cut } else { nil } }
    }

    @Test("is slowed to the rate, in both directions, and never cut", arguments: [true, false])
    func rate(isMember: Bool) throws {
        let stage = try stage(isMember: isMember) { traffic in
            traffic.member.bytesPerSecond = 100_000
            traffic.source.bytesPerSecond = isMember ? nil : 100_000
        }
        let world = stage.world
        let tunnel = try world.tunnel(from: stage.client, to: stage.endpoint)
        let bytes = ByteBuffer(repeating: 7, count: 500_000)
        stage.client.session.send(bytes, on: tunnel.near)
        stage.endpoint.session.send(bytes, on: tunnel.far)
        world.run()
        func had() -> Int {
            (stage.client.bytes[tunnel.near]?.readableBytes ?? 0)
                + (stage.endpoint.bytes[tunnel.far]?.readableBytes ?? 0)
        }
        // A batch goes beyond what may go at once, in either direction.
        let atOnce = had()
        #expect(atOnce > 0 && atOnce <= 4 * 65_536)
        world.wait(.seconds(4))
        #expect(abs(had() - atOnce - 400_000) <= 2 * 65_536 + 20_000, "\(had()) behind \(atOnce)")
        world.wait(.seconds(8))
        #expect(had() == 1_000_000)
        #expect(world.events.compactMap(cuts).isEmpty)
    }

    @Test("one who has had its rate leaves the line to the others")
    func others() throws {
        let members = [try Identity.random(), try Identity.random()]
        let world = try PortalWorld { settings in
            settings.policy.members = Set(members.map(\.publicKey))
            settings.traffic.member.bytesPerSecond = 100_000
        }
        let (endpoint, _) = try world.announced()
        let clients = try members.map { try world.connect($0).0 }
        let tunnels = try clients.map { try world.tunnel(from: $0, to: endpoint) }
        clients[0].session.send(ByteBuffer(repeating: 1, count: 2_000_000), on: tunnels[0].near)
        world.run()
        clients[1].session.send(ByteBuffer(repeating: 2, count: 60_000), on: tunnels[1].near)
        world.run()
        #expect(endpoint.bytes[tunnels[1].far]?.readableBytes == 60_000)
        #expect(endpoint.bytes[tunnels[0].far]?.readableBytes ?? 0 < 300_000)
    }

    @Test("ends when the volume is used up, and there is none again before the next month")
    func volume() throws {
        let stage = try stage { $0.member.bytesPerMonth = 300_000 }
        let world = stage.world
        let tunnel = try world.tunnel(from: stage.client, to: stage.endpoint)
        stage.client.session.send(ByteBuffer(repeating: 7, count: 200_000), on: tunnel.near)
        world.run()
        #expect(stage.endpoint.bytes[tunnel.far]?.readableBytes == 200_000)
        #expect(world.events.compactMap(cuts).isEmpty)
        stage.endpoint.session.send(ByteBuffer(repeating: 8, count: 200_000), on: tunnel.far)
        world.run()
        #expect(world.events.compactMap(cuts) == [.volume])
        #expect(world.portal.metrics.tunnelCount == 0)
        #expect(world.portal.traffic.usages.map(\.isUsedUp) == [true])
        let usage = try #require(world.portal.traffic.usages.first)
        // Beyond the volume goes a batch at most, and what frames it.
        #expect((300_000...300_000 + 2 * 65_536).contains(usage.byteCount), "\(usage.byteCount)")

        let refused = try stage.client.connect(to: stage.endpoint.key.id)
        world.run()
        #expect(stage.client.ends[refused] == ErrorText.volumeUsedUp(until: "2026-12-01"))
        #expect(world.portal.metrics.tunnelRefusals == [.volumeUsedUp: 1])

        world.portal.traffic.turn(to: world.portal.traffic.month.next)
        _ = try world.tunnel(from: stage.client, to: stage.endpoint)
        #expect(world.portal.metrics.tunnelCount == 1)
    }

    @Test("is paid for by a member that calls, whoever is called")
    func callerPays() throws {
        let caller = try Identity.random()
        let world = try PortalWorld { settings in
            settings.policy.members = [caller.publicKey]
            settings.traffic.source.bytesPerMonth = 1
        }
        let (endpoint, _) = try world.announced()
        let (client, _) = try world.connect(caller)
        let tunnel = try world.tunnel(from: client, to: endpoint)
        client.session.send(ByteBuffer(repeating: 7, count: 10_000), on: tunnel.near)
        world.run()
        #expect(world.portal.traffic.usages.map(\.payer) == [.member(caller.publicKey)])
        #expect(world.portal.traffic.usages[0].byteCount >= 10_000)
    }

    @Test("a member is told what it may have, and others are not")
    func told() throws {
        let stage = try stage {
            $0.member.bytesPerMonth = 300_000
            $0.member.bytesPerSecond = 64_000
        }
        func traffic(_ peer: SessionPeer) throws -> JSONValue? {
            let call = try peer.call("room.metadata")
            stage.world.run()
            guard case .value(let metadata)? = peer.replies[call] else {
                Issue.record("there is no answer")
                return nil
            }
            return metadata["traffic"]
        }
        #expect(
            try traffic(stage.endpoint)
                == [
                    "monthBytes": 0, "until": "2026-12-01", "monthLimit": 300_000, "bytesPerSecond": 64_000,
                ])
        #expect(try traffic(stage.client) == nil)
    }
}
