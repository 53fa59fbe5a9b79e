import Blinding
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

@Suite("A hidden endpoint at a portal")
struct PortalHiddenTests {
    private var random = SeededRandom(seed: 11)

    /// Whom a token reaches: which of the endpoints is asked.
    private func reached(
        _ token: PairToken, by client: SessionPeer, in world: PortalWorld, among endpoints: [SessionPeer]
    ) throws -> [Int] {
        let before = endpoints.map(\.tunnels.count)
        let stream = try client.connect(to: token.target)
        world.run()
        let after = endpoints.map(\.tunnels.count)
        let asked = endpoints.indices.filter { after[$0] > before[$0] }
        if asked.isEmpty { #expect(client.ends[stream] == "could not connect to:\(token.target)") }
        return asked
    }

    @Test("is called by its tokens, several times by one, and told the token and the proven caller")
    mutating func connects() throws {
        let world = try PortalWorld()
        let (endpoint, _) = try world.connect(.random())
        let tokens = try random.tokens(3)
        let call = try endpoint.announce(tokens)
        world.run()
        #expect(endpoint.isDone(call))
        let (client, _) = try world.connect(.random())
        let (other, _) = try world.connect(.random())
        let near = try client.connect(to: tokens[1].target)
        _ = try client.connect(to: tokens[1].target)
        _ = try other.connect(to: tokens[1].target)
        world.run()
        #expect(endpoint.tunnels.count == 3 && world.portal.metrics.tunnelCount == 3)
        let argument = try #require(endpoint.tunnels.first?.arguments.first)
        #expect(argument["target"] == .string(tokens[1].target) && argument["instance"] == 0)
        #expect(argument["portal"] == .string(world.portalKey.id))
        #expect(argument["origin"] == .string(client.key.id))
        client.session.send(ByteBuffer(string: "hello"), on: near)
        world.run()
        #expect(endpoint.bytes[endpoint.tunnels[0].stream] == ByteBuffer(string: "hello"))

        // What may be logged names neither side.
        #expect(
            world.events.filter { if case .connected = $0 { false } else { true } } == [
                .announcedHidden(ConnectionID(1)), .tunnelOpenedByToken(world.firstTunnel),
                .tunnelOpenedByToken(TunnelID(2)), .tunnelOpenedByToken(TunnelID(3)),
            ])
        let own = try endpoint.connect(to: tokens[0].target)
        world.run()
        #expect(endpoint.ends[own] == "can't connect to self")
    }

    @Test("is missed like somebody who is not there, by its id and by any token that is not its own")
    mutating func misses() throws {
        let world = try PortalWorld()
        let (endpoint, _) = try world.connect(.random())
        let (open, _) = try world.connect(.random())
        let (client, _) = try world.connect(.random())
        let tokens = try random.tokens(2)
        _ = try endpoint.announce([tokens[0], PairToken(open.key.bytes)])
        _ = try open.call("tunnel.announce")
        world.run()
        let targets = [
            endpoint.key.id, PublicKey(tokens[1].bytes).id, PublicKey(tokens[0].bytes).id, tokens[1].target,
            endpoint.key.base64 + ".token1", tokens[0].base64, "@" + tokens[0].target, "x.token1", ".token1",
            "",
        ]
        let streams = try targets.map { try client.connect(to: $0) }
        let before = world.events.count
        world.run()
        for (target, stream) in zip(targets, streams) {
            #expect(client.ends[stream] == "could not connect to:\(target)")
        }
        #expect(endpoint.tunnels.isEmpty && open.tunnels.isEmpty)
        for (target, event) in zip(targets, world.events.dropFirst(before)) {
            let name = target.hasSuffix(".token1") ? nil : client.key
            #expect(event == .refused(name, reason: "could not connect"))
        }
        // A token that looks like somebody's id takes nothing away from that id, and the other way round.
        _ = try client.connect(to: open.key.id)
        world.run()
        #expect(open.tunnels.count == 1 && endpoint.tunnels.isEmpty)
        _ = try client.connect(to: open.key.base64 + ".token1")
        world.run()
        #expect(open.tunnels.count == 1 && endpoint.tunnels.count == 1)
    }

    @Test("is in no list, whatever it subscribed to before and subscribes to then")
    mutating func lists() throws {
        let world = try PortalWorld()
        let (watcher, _) = try world.connect(.random())
        let attendants = try watcher.open(.source, "room.attendants")
        world.run()
        let (endpoint, _) = try world.connect(.random())
        _ = try endpoint.open(.source, "room.attendants")
        world.wait(.seconds(1))
        #expect(watcher.values[attendants]?.last == ["type": "joined", "id": .string(endpoint.key.id)])
        let call = try endpoint.announce(random.tokens(1))
        world.wait(.milliseconds(300))
        #expect(endpoint.isDone(call))
        #expect(watcher.values[attendants]?.last == ["type": "left", "id": .string(endpoint.key.id)])

        let count = watcher.values[attendants]?.count
        let own = try endpoint.open(.source, "tunnel.endpoints")
        _ = try endpoint.open(.source, "room.attendants")
        world.wait(.milliseconds(300))
        #expect(endpoint.values[own] == [[.string(watcher.key.id)]])
        _ = try endpoint.call("tunnel.leave")
        _ = try endpoint.open(.source, "tunnel.endpoints")
        world.wait(.seconds(1))
        #expect(watcher.values[attendants]?.count == count)
        let stream = try watcher.connect(to: endpoint.key.id)
        world.run()
        #expect(watcher.ends[stream] == "could not connect to:\(endpoint.key.id)")
    }

    @Test("may become open, and hidden again")
    mutating func opensAndHides() throws {
        let world = try PortalWorld()
        let (endpoint, _) = try world.connect(.random())
        let (client, _) = try world.connect(.random())
        let token = try random.tokens(1)[0]
        for argument in [[], [nil], [[:]], [["hidden": false]]] as [[JSONValue]] {
            _ = try endpoint.announce([token])
            world.wait(.seconds(1))
            #expect(try reached(token, by: client, in: world, among: [endpoint]) == [0])
            let miss = try client.connect(to: endpoint.key.id)
            world.run()
            _ = try endpoint.call("tunnel.announce", argument)
            world.run()
            #expect(client.ends[miss] == "could not connect to:\(endpoint.key.id)")
            #expect(try reached(token, by: client, in: world, among: [endpoint]).isEmpty)
            let count = endpoint.tunnels.count
            _ = try client.connect(to: endpoint.key.id)
            world.wait(.seconds(1))
            #expect(endpoint.tunnels.count == count + 1)
        }
        #expect(world.portal.metrics.tokenCount == 0)
    }

    @Test("replaces its set without touching live tunnels, and leaves nothing when it goes")
    mutating func replaces() throws {
        let world = try PortalWorld()
        let (endpoint, link) = try world.connect(.random())
        let (client, _) = try world.connect(.random())
        let tokens = try random.tokens(3)
        _ = try endpoint.announce(tokens[0..<2])
        world.run()
        let near = try client.connect(to: tokens[0].target)
        world.wait(.seconds(1))
        _ = try endpoint.announce(tokens[1..<3])
        world.run()
        #expect(try reached(tokens[0], by: client, in: world, among: [endpoint]).isEmpty)
        #expect(try reached(tokens[1], by: client, in: world, among: [endpoint]) == [0])
        #expect(try reached(tokens[2], by: client, in: world, among: [endpoint]) == [0])
        _ = try endpoint.call("tunnel.leave")
        world.wait(.seconds(1))
        #expect(try reached(tokens[2], by: client, in: world, among: [endpoint]).isEmpty)
        client.session.send(ByteBuffer(string: "still there"), on: near)
        world.run()
        #expect(endpoint.bytes[endpoint.tunnels[0].stream] == ByteBuffer(string: "still there"))
        #expect(client.ends[near] == nil)
        world.wait(.seconds(1))
        _ = try endpoint.announce(tokens)
        world.run()
        #expect(world.portal.metrics.tokenCount == 3)
        world.drop(link)
        #expect(world.portal.metrics.tokenCount == 0)
        #expect(client.ends[near] == ErrorText.otherSideIsGone)
        #expect(try reached(tokens[1], by: client, in: world, among: [endpoint]).isEmpty)
    }
}
