import Connection
import Multiserver
import NIOCore
import PortalCore
import TestSupport
import Testing
import Tunnel
import TypedSodium

/// Every misdeed, by a client of the portal and by a client of the endpoint behind it, beside an honest session.
@Suite("A portal and an endpoint under attack")
struct AdversaryPortalTests {
    private static let seeds: Range<UInt64> = 0..<2

    /// An honest pair that keeps exchanging bytes.
    private struct HonestPair {
        let world: PortalWorld
        let endpoint: NodePeer
        let stream: LocalEnd
        var byteCount = 0

        init() throws {
            world = try PortalWorld()
            (endpoint, _) = try world.endpoint()
            let (client, session) = try world.client(of: endpoint.key)
            stream = try client.open(.echo, on: session)
        }

        /// Whether bytes go there and back.
        mutating func exchange() -> Bool {
            byteCount += 20_000
            stream.send([UInt8](repeating: 9, count: 20_000))
            world.run()
            return stream.received.readableBytes == byteCount
        }
    }

    private func context(_ pair: HonestPair) throws -> AdversaryContext {
        var context = AdversaryContext(
            network: pair.world.network, identity: try .random(), victim: pair.endpoint.key)
        context.server = pair.world.portalKey
        context.portal = pair.world.portalKey
        return context
    }

    private func attack(_ pair: inout HonestPair, _ plan: AdversaryPlan) throws {
        let world = pair.world
        let peer = HostilePeer(plan, in: try context(pair))
        let link = world.join(peer)
        link.readByteCount = 64 << 10
        link.unreadLimit = 256 << 10
        world.run()
        // A flood of calls is read at its pace.
        var secondCount = 0
        while !peer.adversary.isDone || !peer.adversary.probeIsAnswered, !link.connection.wantsInput,
            secondCount < 200
        {
            world.wait(.seconds(1))
            secondCount += 1
        }
        let report = "\(peer.adversary)"
        expectExchange(&pair, report)
        #expect(peer.adversary.complaints.isEmpty, "\(report)")
        judge(peer.adversary, link, report)
        #expect(world.portal.metrics.queuedByteCount <= 4 << 20, "\(report)")
        #expect(pair.endpoint.node.outboundByteCount <= 5 << 20, "\(report)")
        if !peer.adversary.reads { #expect(world.drain(link) <= 4 << 20, "\(report)") }

        world.drop(link)
        world.wait(.seconds(11))
        let left = world.portal.metrics
        #expect(left.tunnelCount == 1 && left.queuedByteCount == 0 && left.tokenCount == 0, "\(report)")
        #expect(left.connectionCount == 2 && pair.endpoint.node.tunnelCount == 1, "\(report)")
        #expect(pair.endpoint.inner.count == 1, "\(report)")
        expectExchange(&pair, report)
    }

    private func expectExchange(_ pair: inout HonestPair, _ report: String) {
        let goesOn = pair.exchange()
        #expect(goesOn, "\(report)")
    }

    private func judge(_ adversary: AdversarialPeer, _ link: Link, _ report: String) {
        switch (adversary.plan.misdeed.consequence, adversary.plan.depth) {
        case (_, .answeringTunnel): break  // is asked for nothing by a portal
        case (.survival, _):
            #expect(adversary.isDone && adversary.probeIsAnswered, "\(report)")
            #expect(link.connection.phase == .running, "\(report)")
        case (.failure, .outer):
            #expect(adversary.isDone && link.connection.phase != .running, "\(report)")
        case (.failure, .callingTunnel):
            #expect(adversary.isDone, "\(report)")
            #expect(link.connection.phase == .running, "what is wrong inside is no business of the portal")
        case (.unspecified, _):
            // A peer that takes no answers is not read to its end.
            #expect(adversary.isDone || !adversary.reads || !link.connection.wantsInput, "\(report)")
        }
    }

    @Test("on the connection go on with everybody else", arguments: Misdeed.allCases)
    func outer(_ misdeed: Misdeed) throws {
        var pair = try HonestPair()
        for seed in Self.seeds {
            try attack(&pair, AdversaryPlan(seed: seed, role: .client, depth: .outer, misdeed: misdeed))
        }
    }

    @Test("inside a tunnel go on with everybody else", arguments: Misdeed.allCases)
    func inner(_ misdeed: Misdeed) throws {
        var pair = try HonestPair()
        for seed in Self.seeds {
            let plan = AdversaryPlan(seed: seed, role: .client, depth: .callingTunnel, misdeed: misdeed)
            try attack(&pair, plan)
        }
    }

    @Test("by many at a time go on with everybody else", arguments: 0..<10 as Range<UInt64>)
    func crowd(_ batch: UInt64) throws {
        var pair = try HonestPair()
        var links: [(HostilePeer, Link)] = []
        for seed in batch * 20..<(batch + 1) * 20 {
            let plan = AdversaryPlan(seed: 1000 + seed, role: .client)
            let peer = HostilePeer(plan, in: try context(pair))
            links.append((peer, pair.world.join(peer)))
            links.last?.1.readByteCount = 64 << 10
            links.last?.1.unreadLimit = 256 << 10
        }
        expectExchange(&pair, "batch \(batch)")
        for (peer, link) in links {
            #expect(peer.adversary.complaints.isEmpty, "\(peer.adversary)")
            pair.world.drop(link)
        }
        pair.world.wait(.seconds(11))
        #expect(pair.world.portal.metrics.tunnelCount == 1)
        #expect(pair.world.portal.metrics.connectionCount == 2)
        #expect(pair.endpoint.node.tunnelCount == 1)
        expectExchange(&pair, "batch \(batch)")
    }
}
