import Blinding
import MuxRPC
import NIOCore
import PortalCore
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("A portal's limits on tokens")
struct PortalTokenLimitTests {
    private var random = SeededRandom(seed: 12)

    /// What a refused announcement is told, and that the set before it is still there.
    private func expectRefusal(
        _ message: String, of call: RequestNumber, keeping tokens: [PairToken], by endpoint: SessionPeer,
        in world: PortalWorld
    ) throws {
        world.run()
        #expect(endpoint.refusal(call) == message)
        let (client, link) = try world.connect(.random())
        let count = endpoint.tunnels.count
        for token in tokens { _ = try client.connect(to: token.target) }
        world.run()
        #expect(endpoint.tunnels.count == count + tokens.count)
        world.drop(link)
    }

    @Test("are 12,288 for a member, 768 for others, and what is too much leaves the old set")
    mutating func connection() throws {
        let member = try Identity.random()
        let world = try PortalWorld { $0.policy.members = [member.publicKey] }
        let tokens = try random.tokens(12_289)
        for (identity, limit) in [(member, 12_288), (try .random(), 768)] {
            let (endpoint, link) = try world.connect(identity, from: "\(limit)")
            let full = try endpoint.announce(tokens.prefix(limit))
            world.wait(.seconds(1))
            #expect(endpoint.isDone(full))
            #expect(world.portal.metrics.tokenCount == limit)
            let more = try endpoint.announce(tokens.prefix(limit + 1))
            try expectRefusal(
                "too many tokens", of: more, keeping: [tokens[0], tokens[limit - 1]], by: endpoint, in: world)
            world.drop(link)
        }
    }

    @Test("hold for a source address and for all together, whoever announces")
    mutating func sources() throws {
        let world = try PortalWorld {
            $0.tokenLimits.sourceCount = 10
            $0.tokenLimits.totalCount = 24  // of which strangers have half
        }
        let tokens = try random.tokens(20)
        let (first, link) = try world.connect(.random(), from: "a")
        let (second, _) = try world.connect(.random(), from: "a")
        let (third, _) = try world.connect(.random(), from: "b")
        _ = try first.announce(tokens[0..<6])
        world.run()
        let fits = try second.announce(tokens[6..<10])
        world.wait(.seconds(1))
        #expect(second.isDone(fits))
        let same = try second.announce(tokens[10..<15])
        try expectRefusal("too many tokens", of: same, keeping: Array(tokens[6..<10]), by: second, in: world)
        let other = try third.announce(tokens[10..<16])
        try expectRefusal("too many tokens", of: other, keeping: [], by: third, in: world)
        world.wait(.seconds(1))
        let few = try third.announce(tokens[10..<12])
        world.run()
        #expect(third.isDone(few) && world.portal.metrics.tokenCount == 12)
        world.drop(link)
        world.wait(.seconds(1))
        let room = try second.announce(tokens[0..<10])
        world.run()
        #expect(second.isDone(room) && world.portal.metrics.tokenCount == 12)
    }

    @Test("allow one announcement per second and connection, which open ones have to wait for")
    mutating func rate() throws {
        let world = try PortalWorld()
        let tokens = try random.tokens(2)
        let (endpoint, _) = try world.connect(.random())
        _ = try endpoint.announce([tokens[0]])
        world.wait(.milliseconds(500))
        let early = try endpoint.announce([tokens[1]])
        try expectRefusal(
            "announced too often: once per second at most", of: early, keeping: [tokens[0]], by: endpoint,
            in: world)
        // The refused one does not count: a second after the last that did is early enough.
        world.wait(.milliseconds(500))
        let due = try endpoint.announce([tokens[1]])
        world.run()
        #expect(endpoint.isDone(due))
        let (other, _) = try world.connect(.random())
        let others = try other.announce([tokens[0]])
        let calls = try (0..<3).map { _ in try endpoint.call("tunnel.announce") }
        world.run()
        #expect(other.isDone(others) && calls.allSatisfy(endpoint.isDone))
        #expect(world.portal.metrics.tokenCount == 2, "it is hidden still")
        world.wait(.milliseconds(900))
        #expect(world.portal.metrics.tokenCount == 1)
    }

    @Test("refuse the whole call for one bad token or argument, and the old set stays")
    mutating func refused() throws {
        let world = try PortalWorld()
        let tokens = try random.tokens(4)
        let (endpoint, _) = try world.connect(.random())
        _ = try endpoint.announce([tokens[0]])
        let good = tokens[1...].map { JSONValue.string($0.base64) }
        let wrong: [(JSONValue, String)] = [
            (["hidden": true, "tokens": .array(good + ["x"])], "announce: malformed token"),
            (["hidden": true, "tokens": .array(good + [good[0]])], "announce: repeated token"),
            (["hidden": true, "tokens": nil], "announce: invalid arguments"),
            (["hidden": 1, "tokens": .array(good)], "announce: invalid arguments"),
            (["tokens": .array(good)], "announce: invalid arguments"),
        ]
        for (argument, message) in wrong {
            world.wait(.seconds(1))
            let call = try endpoint.call("tunnel.announce", [argument])
            try expectRefusal(message, of: call, keeping: [tokens[0]], by: endpoint, in: world)
        }
        #expect(world.portal.metrics.tokenCount == 1)
    }
}
