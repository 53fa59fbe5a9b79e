import Blinding
import Multiserver
import MuxRPC
import NIOCore
import PortalCore
import SecureSession
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("Places for tunnels at an endpoint")
struct PortalPlacesTests {
    private func announced(in world: PortalWorld) throws -> SessionPeer {
        let (endpoint, _) = try world.connect(.random(), from: "the endpoint")
        _ = try endpoint.call("tunnel.announce")
        world.run()
        return endpoint
    }

    /// Opens a tunnel, which the endpoint answers with two packets; what the client is told where it gets none.
    private func connect(
        _ client: SessionPeer, to endpoint: SessionPeer, as target: String? = nil, in world: PortalWorld
    ) throws -> String? {
        let before = endpoint.tunnels.count
        let near = try client.open(
            .duplex, "tunnel.connect", [["target": .string(target ?? endpoint.key.id)]])
        world.run()
        guard endpoint.tunnels.count > before, let far = endpoint.tunnels.last?.stream else {
            return client.ends[near] ?? "nothing"
        }
        for _ in 0..<2 { endpoint.session.send(.init(string: "hello"), on: far) }
        world.run()
        return nil
    }

    /// How many tunnels a client gets.
    private func fill(
        _ client: SessionPeer, to endpoint: SessionPeer, in world: PortalWorld
    ) throws -> Int {
        var count = 0
        while true {
            switch try connect(client, to: endpoint, in: world) {
            case nil: count += 1
            case "busy": return count
            case let message?:
                Issue.record("\(message)")
                return count
            }
        }
    }

    @Test("are 64 for a source, over all its connections")
    func source() throws {
        let world = try PortalWorld()
        let endpoint = try announced(in: world)
        let (first, _) = try world.connect(.random(), from: "a")
        let (second, _) = try world.connect(.random(), from: "a")
        for _ in 0..<30 { #expect(try connect(first, to: endpoint, in: world) == nil) }
        #expect(try fill(second, to: endpoint, in: world) == 34)
        let (other, _) = try world.connect(.random(), from: "b")
        #expect(try connect(other, to: endpoint, in: world) == nil)
    }

    @Test("are 64 for a token, whatever the sources")
    func token() throws {
        let world = try PortalWorld()
        let (endpoint, _) = try world.connect(.random(), from: "the endpoint")
        var random = SeededRandom(seed: 7)
        let tokens = try random.tokens(2)
        _ = try endpoint.announce(tokens)
        world.run()
        var count = 0
        for source in 0..<5 {
            let (client, _) = try world.connect(.random(), from: "source \(source)")
            for _ in 0..<20 {
                let refusal = try connect(client, to: endpoint, as: tokens[0].target, in: world)
                #expect(refusal == (count < 64 ? nil : "busy"))
                if refusal == nil { count += 1 }
            }
        }
        #expect(count == 64)
        let (client, _) = try world.connect(.random(), from: "source 4")
        #expect(try connect(client, to: endpoint, as: tokens[1].target, in: world) == nil)
    }

    @Test("wait for the endpoint's answers: 16 of a source are called at a time, the others in their turn")
    func unanswered() throws {
        let world = try PortalWorld()
        let endpoint = try announced(in: world)
        let (client, link) = try world.connect(.random(), from: "a")
        let (other, _) = try world.connect(.random(), from: "b")
        let streams = try (0..<30).map { number in
            let stream = try client.connect(to: endpoint.key.id)
            client.session.send(.init(string: "hello \(number)"), on: stream)
            return stream
        }
        world.run()
        #expect(endpoint.tunnels.count == 16)
        #expect(try connect(other, to: endpoint, in: world) == nil)

        // One packet shows nothing, two do.
        let far = try #require(endpoint.tunnels.first?.stream)
        endpoint.session.send(.init(string: "hello"), on: far)
        world.run()
        #expect(endpoint.tunnels.count == 17)
        endpoint.session.send(.init(string: "welcome"), on: far)
        world.run()
        #expect(endpoint.tunnels.count == 18)
        endpoint.session.muxrpc.fail(endpoint.tunnels[1].stream, message: "not today")
        world.run()
        #expect(endpoint.tunnels.count == 19 && client.ends[streams[1]] == "not today")
        client.session.muxrpc.end(streams[29])
        world.run()

        world.wait(.milliseconds(3999))
        #expect(client.ends.count == 1)
        world.wait(.milliseconds(1))
        let refused = streams[18..<29]
        #expect(refused.allSatisfy { client.ends[$0] == "busy" } && client.ends.count == 1 + refused.count)
        #expect(world.portal.metrics.tunnelCount == 18)
        let calls = endpoint.tunnels.filter { $0 != endpoint.tunnels[16] }.map(\.stream)
        let hellos = calls.map { endpoint.bytes[$0].map { String(buffer: $0) } }
        #expect(hellos == (0..<18).map { "hello \($0)" }, "what was sent behind a call waits with it")
        world.drop(link)
        #expect(world.portal.metrics.tunnelCount == 1 && world.portal.metrics.queuedByteCount == 0)
    }

    @Test("pass thirty calls that come at once, where the endpoint answers")
    func thirtyAtOnce() throws {
        let world = try PortalWorld()
        let endpoint = try announced(in: world)
        let (client, _) = try world.connect(.random(), from: "a")
        for _ in 0..<30 { _ = try client.connect(to: endpoint.key.id) }
        var answered = 0
        while true {
            world.run()
            let next = endpoint.tunnels.dropFirst(answered)
            guard !next.isEmpty else { break }
            for tunnel in next {
                for _ in 0..<2 { endpoint.session.send(.init(string: "hello"), on: tunnel.stream) }
            }
            answered += next.count
        }
        #expect(answered == 30 && client.ends.isEmpty)
    }

    @Test("are an equal share for each source when half of them are taken")
    func shares() throws {
        let world = try PortalWorld { $0.tunnelLimit = 64 }
        let endpoint = try announced(in: world)
        let (first, _) = try world.connect(.random(), from: "a")
        #expect(try fill(first, to: endpoint, in: world) == 32)
        let (second, _) = try world.connect(.random(), from: "b")
        #expect(try fill(second, to: endpoint, in: world) <= 21)
        let (third, _) = try world.connect(.random(), from: "c")
        #expect(try connect(third, to: endpoint, in: world) == nil)
    }

    @Test("go to a newcomer that holds little, by the newest tunnel of who holds most")
    func givesWay() throws {
        let member = try Identity.random()
        let world = try PortalWorld {
            $0.tunnelLimit = 8
            $0.policy.members = [member.publicKey]
        }
        let endpoint = try announced(in: world)
        var strangers: [SessionPeer] = []
        for source in 0..<8 {
            let (client, _) = try world.connect(.random(), from: "source \(source)")
            _ = try connect(client, to: endpoint, in: world)
            _ = try connect(client, to: endpoint, in: world)
            strangers.append(client)
        }
        let before = world.portal.metrics.tunnelCount
        let cutBefore = strangers.flatMap(\.ends.values).count
        let (client, _) = try world.connect(member, from: "home")
        for _ in 0..<2 { #expect(try connect(client, to: endpoint, in: world) == nil) }
        #expect(world.portal.metrics.tunnelCount <= 8)
        let ends = strangers.flatMap(\.ends.values)
        #expect(ends.count - cutBefore == before + 2 - world.portal.metrics.tunnelCount)
        #expect(ends.contains(TunnelCut.places.message))
        #expect(client.ends.isEmpty)
    }
}
