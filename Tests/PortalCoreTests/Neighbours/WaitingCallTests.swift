import Blinding
import Connection
import Multiserver
import MuxRPC
import NIOCore
import PortalCore
import SecureSession
import TestSupport
import Testing
import TypedSodium

/// A call for a target that is not announced at this machine.
@Suite("A call that other machines are asked about")
struct WaitingCallTests {
    private var random = SeededRandom(seed: 1401)
    private let neighbours = ScriptedNeighbours()
    private let hello = ByteBuffer(repeating: 7, count: 64)

    private func world(_ change: (inout PortalSettings) -> Void = { _ in }) throws -> PortalWorld {
        try PortalWorld { settings in
            settings.neighbours = neighbours
            change(&settings)
        }
    }

    private func miss(_ target: String) -> String { ErrorText.couldNotConnect(to: target) }

    @Test("waits for them, and hears the same words at the same time whatever the reason is")
    mutating func misses() throws {
        let banned = try Identity.random()
        let world = try world { $0.policy.denied = [banned.publicKey] }
        let (client, _) = try world.connect(.random(), from: "192.0.2.7")
        let absent = try Identity.random().publicKey
        let token = try random.tokens(1)[0]
        let targets = [absent.id, token.target, "no target at all", banned.publicKey.id]
        let streams = try targets.map { try client.connect(to: $0) }
        world.run()
        #expect(client.ends.isEmpty && neighbours.openCount == 4)
        #expect(
            neighbours.asked.map(\.target) == [
                .id(absent), .token(token.bytes, provedBy: nil), .nobody, .id(banned.publicKey),
            ])
        #expect(neighbours.asked.allSatisfy { $0.caller == .stranger(source: "192.0.2.7") })
        for asked in neighbours.asked { asked.take(.missed) }
        world.run()
        #expect(zip(streams, targets).allSatisfy { client.ends[$0] == miss($1) })
        #expect(neighbours.openCount == 0 && neighbours.endsOnce)
        #expect(world.portal.metrics.tunnelRefusals == [.unreachable: 4])
    }

    @Test(
        "is refused as one that is not there where its endpoint here says so, and looked for meanwhile as nobody"
    )
    func refusedHere() throws {
        let world = try world()
        let (endpoint, _) = try world.announced()
        let (client, _) = try world.connect(.random())
        let tunnel = try world.tunnel(from: client, to: endpoint)
        endpoint.session.muxrpc.fail(tunnel.far, message: miss(endpoint.key.id))
        world.run()
        #expect(client.ends.isEmpty && neighbours.asked.map(\.target) == [.nobody])
        neighbours.asked[0].take(.missed)
        world.run()
        #expect(client.ends == [tunnel.near: miss(endpoint.key.id)])
        // Other words are its own, and passed on at once.
        let other = try world.tunnel(from: client, to: endpoint)
        endpoint.session.muxrpc.fail(other.far, message: "not today")
        world.run()
        #expect(client.ends[other.near] == "not today" && neighbours.openCount == 0)
    }

    @Test(
        "reaches the machine that was named, with what the client sent meanwhile; the look-up ends with the answer"
    )
    func reach() throws {
        let world = try world()
        let (client, _) = try world.connect(.random())
        let (link, side) = try world.connect(.random())
        let target = try Identity.random().publicKey
        let stream = try client.connect(to: target.id)
        client.session.send(hello, on: stream)
        world.run()
        client.session.send(ByteBuffer(string: "more"), on: stream)
        world.run()
        neighbours.asked[0].take(.reach(link: side.connection.id, endpoint: target))
        world.run()
        let far = try #require(link.tunnels.first?.stream)
        #expect(link.tunnels[0].arguments[0]["origin"] == .string(client.key.id))
        #expect(link.bytes[far] == hello + ByteBuffer(string: "more"))
        #expect(neighbours.openCount == 1)
        link.session.send(ByteBuffer(string: "answer"), on: far)
        world.run()
        #expect(client.bytes[stream] == ByteBuffer(string: "answer"))
        #expect(neighbours.openCount == 0 && neighbours.endsOnce)
        #expect(world.events.contains(.tunnelOpened(world.firstTunnel, from: client.key, to: target)))
        // From then on its end is the end.
        link.session.muxrpc.fail(far, message: "over")
        world.run()
        #expect(client.ends == [stream: "over"] && neighbours.failures.isEmpty)
    }

    @Test(
        "goes to the next place where one refuses, with all that was sent again, and says the last one's words"
    )
    func next() throws {
        let world = try world()
        let (client, _) = try world.connect(.random())
        let links = try (0..<3).map { _ in try world.connect(.random()) }
        let target = try Identity.random().publicKey
        let stream = try client.connect(to: target.id)
        client.session.send(hello, on: stream)
        world.run()
        for (number, (link, side)) in links.enumerated() {
            neighbours.asked[0].take(.reach(link: side.connection.id, endpoint: target))
            world.run()
            let far = try #require(link.tunnels.first?.stream)
            #expect(link.bytes[far] == hello + ByteBuffer(string: String(repeating: "x", count: number)))
            client.session.send(ByteBuffer(string: "x"), on: stream)
            world.run()
            link.session.muxrpc.fail(far, message: number == 1 ? ErrorText.notReachable : "busy")
            world.run()
        }
        #expect(neighbours.failures == [.refused, .noLink, .refused] && client.ends.isEmpty)
        neighbours.asked[0].take(.missed)
        world.run()
        #expect(client.ends == [stream: "busy"] && neighbours.openCount == 0)
        #expect(world.portal.metrics.tunnelCount == 0)
    }

    @Test("hears that it is not reachable from here where there is no link, and of a link that is gone")
    func noLink() throws {
        let world = try world()
        let (client, _) = try world.connect(.random())
        let target = try Identity.random().publicKey
        let stream = try client.connect(to: target.id)
        world.run()
        neighbours.asked[0].take(.reach(link: ConnectionID(999), endpoint: target))
        world.run()
        #expect(neighbours.failures == [.noLink])
        neighbours.asked[0].take(.unreachable)
        world.run()
        #expect(client.ends == [stream: "not reachable from here"])
        let busy = try client.connect(to: target.id)
        world.run()
        neighbours.asked[1].take(.busy)
        world.run()
        #expect(client.ends[busy] == "busy" && neighbours.openCount == 0)
    }

    @Test("fails where more is sent than is kept, and what is kept is charged to the client")
    func tooMuch() throws {
        let world = try world()
        let (client, _) = try world.connect(.random())
        let target = try Identity.random().publicKey
        let before = world.portal.metrics.heldByteCount
        let stream = try client.connect(to: target.id)
        for _ in 0..<15 { client.session.send(ByteBuffer(repeating: 1, count: 4000), on: stream) }
        world.run()
        #expect(client.ends.isEmpty)
        #expect(world.portal.metrics.heldByteCount - before >= 60_000)
        client.session.send(ByteBuffer(repeating: 1, count: 8000), on: stream)
        world.run()
        #expect(client.ends == [stream: ErrorText.tooMuchAhead])
        #expect(neighbours.openCount == 0 && world.portal.metrics.heldByteCount - before < 20_000)
        neighbours.asked[0].take(.missed)
        world.run()
        #expect(client.ends.count == 1)
    }

    @Test("pays for what is kept to be sent again, and goes nowhere else once that is too much")
    func kept() throws {
        let world = try world()
        let (client, _) = try world.connect(.random())
        let (link, side) = try world.connect(.random())
        let target = try Identity.random().publicKey
        let stream = try client.connect(to: target.id)
        world.run()
        neighbours.asked[0].take(.reach(link: side.connection.id, endpoint: target))
        world.run()
        let before = world.portal.metrics.heldByteCount
        for _ in 0..<15 {
            client.session.send(ByteBuffer(repeating: 1, count: 4000), on: stream)
            world.run()
        }
        let far = try #require(link.tunnels.first?.stream)
        #expect(link.bytes[far]?.readableBytes == 60_000 && world.portal.metrics.queuedByteCount == 0)
        #expect(world.portal.metrics.heldByteCount - before >= 60_000)
        client.session.send(ByteBuffer(repeating: 1, count: 8000), on: stream)
        world.run()
        #expect(link.bytes[far]?.readableBytes == 68_000 && neighbours.openCount == 0)
        #expect(world.portal.metrics.heldByteCount - before < 20_000)
    }

    @Test("loses nothing of what is sent while a place that is silent is left for the next")
    mutating func silentPlace() throws {
        let world = try world()
        let (client, _) = try world.connect(.random())
        let links = try (0..<2).map { _ in try world.connect(.random()) }
        let target = try Identity.random().publicKey
        for (number, target) in [target.id, try random.tokens(1)[0].target].enumerated() {
            let stream = try client.connect(to: target)
            client.session.send(hello, on: stream)
            world.run()
            let asked = neighbours.asked[number]
            asked.take(.reach(link: links[0].1.connection.id, endpoint: links[0].0.key))
            world.wait(.milliseconds(800))
            #expect(neighbours.failures.count == number + 1)
            let more = ByteBuffer(repeating: 8, count: 6000)
            client.session.send(more, on: stream)
            world.run()
            asked.take(.reach(link: links[1].1.connection.id, endpoint: links[1].0.key))
            world.run()
            let far = try #require(links[1].0.tunnels.last?.stream)
            #expect(links[1].0.bytes[far] == hello + more)
            links[1].0.session.send(hello, on: far)
            world.run()
        }
    }

    @Test("ends with its stream, with its connection, and with what its caller may")
    func ends() throws {
        let world = try world()
        let (client, link) = try world.connect(.random())
        let target = try Identity.random().publicKey.id
        let stream = try client.connect(to: target)
        world.run()
        client.session.muxrpc.end(stream)
        world.run()
        #expect(neighbours.openCount == 0)
        _ = try client.connect(to: target)
        world.run()
        #expect(neighbours.openCount == 1)
        world.drop(link)
        #expect(neighbours.openCount == 0)
        let (other, _) = try world.connect(.random())
        let waiting = try other.connect(to: target)
        world.run()
        #expect(neighbours.openCount == 1)
        world.portal.update(PortalPolicy(callers: .members))
        world.run()
        #expect(other.ends == [waiting: ErrorText.membersCall] && neighbours.openCount == 0)
        #expect(neighbours.endsOnce)
    }

    @Test("has a place among 256 of its connection, and comes to an end though nobody answers")
    func places() throws {
        let world = try world {
            $0.callsPerSecond = 1000; $0.callBurst = 1000
        }
        let (client, _) = try world.connect(.random())
        let target = try Identity.random().publicKey.id
        let streams = try (0..<300).map { _ in try client.connect(to: target) }
        world.run()
        #expect(neighbours.openCount == 256)
        #expect(streams[256...].allSatisfy { client.ends[$0] == "busy" } && client.ends.count == 44)
        world.wait(.seconds(4))
        #expect(neighbours.openCount == 0 && neighbours.endsOnce)
        #expect(streams[..<256].allSatisfy { client.ends[$0] == miss(target) })
    }

    @Test(
        "by a token goes on to other machines where all refuse that announced it here, or the last is silent")
    mutating func tokenElsewhere() throws {
        let world = try world()
        let token = try random.tokens(1)[0]
        let (local, _) = try world.connect(.random(), from: "here")
        _ = try local.announce([token])
        world.run()
        let (client, _) = try world.connect(.random())
        let (link, side) = try world.connect(.random())
        let stream = try client.connect(to: token.target)
        client.session.send(hello, on: stream)
        world.run()
        local.session.muxrpc.fail(local.tunnels[0].stream, message: "no")
        world.run()
        #expect(client.ends.isEmpty)
        #expect(neighbours.asked.map(\.target) == [.token(token.bytes, provedBy: nil)])
        neighbours.asked[0].take(.reach(link: side.connection.id, endpoint: link.key))
        world.run()
        #expect(link.bytes[link.tunnels[0].stream] == hello)
        // Silent: the other machines are asked beside, and it may yet answer.
        for answers in [true, false] {
            let silent = try client.connect(to: token.target)
            client.session.send(hello, on: silent)
            world.run()
            let far = try #require(local.tunnels.last?.stream)
            world.wait(.milliseconds(800))
            let asked = try #require(neighbours.asked.last)
            #expect(neighbours.asked.count == (answers ? 2 : 3) && client.ends.isEmpty)
            if answers { local.session.send(hello, on: far) } else { asked.take(.missed) }
            world.run()
            if !answers { local.session.send(hello, on: far) }
            world.run()
            #expect(client.bytes[silent] == hello && client.ends[silent] == nil)
            asked.take(.reach(link: side.connection.id, endpoint: link.key))
            world.run()
            #expect(link.tunnels.count == 1)
        }
        #expect(neighbours.openCount == 1 && neighbours.endsOnce)
    }
}

private func + (left: ByteBuffer, right: ByteBuffer) -> ByteBuffer {
    var joined = left
    joined.writeImmutableBuffer(right)
    return joined
}
