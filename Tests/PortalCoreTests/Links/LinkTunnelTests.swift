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

@Suite("A tunnel between two machines")
struct LinkTunnelTests {
    private var random = SeededRandom(seed: 1402)

    @Test(
        "is asked for with the client's own argument, and who calls is what the machine of the client has proved"
    )
    func connect() throws {
        let stage = try LinkStage()
        #expect(stage.link.acceptor.introduced == [LinkWorld.name(0)])
        #expect(stage.link.dialler.introduced == [LinkWorld.name(1)])
        let argument: JSONValue = [
            "target": .string(stage.endpoint.key.id), "origin": "@nobody", "instance": 3, "extra": ["a": 1],
        ]
        let stream = try stage.client.open(.duplex, "tunnel.connect", [argument])
        stage.client.session.send(ByteBuffer(string: "hello"), on: stream)
        stage.world.run()
        let asked = try #require(stage.neighbours.asked.first)
        #expect(asked.target == .id(stage.endpoint.key))
        asked.take(.reach(link: stage.id, endpoint: stage.endpoint.key))
        stage.world.run()
        let request = try #require(stage.endpoint.tunnels.first)
        #expect(
            request.arguments == [
                [
                    "target": .string(stage.endpoint.key.id), "origin": .string(stage.client.key.id),
                    "instance": 3, "extra": ["a": 1], "portal": .string(stage.far.identity.publicKey.id),
                ]
            ])
        #expect(stage.endpoint.bytes[request.stream] == ByteBuffer(string: "hello"))
        #expect(stage.near.metrics.tunnelCount == 1 && stage.far.metrics.tunnelCount == 1)
        #expect(stage.near.metrics.connectionCount == 1 && stage.far.metrics.connectionCount == 1)
        // A clean end is one, with all that was said before.
        stage.endpoint.session.send(ByteBuffer(string: "bye"), on: request.stream)
        stage.endpoint.session.muxrpc.end(request.stream)
        stage.world.run()
        #expect(stage.client.bytes[stream] == ByteBuffer(string: "bye") && stage.client.ends == [stream: ""])
        #expect(stage.near.metrics.tunnelCount == 0 && stage.far.metrics.tunnelCount == 0)
        let other = try stage.tunnel()
        stage.client.session.muxrpc.fail(other.near, message: "enough")
        stage.world.run()
        #expect(stage.endpoint.ends[other.far] == "enough")
    }

    @Test("carries bytes both ways, however they were cut into packets, boxes and reads", arguments: [1, 2])
    mutating func cuts(round: UInt64) throws {
        random = SeededRandom(seed: 1402 + round)
        let stage = try LinkStage()
        let tunnel = try stage.tunnel()
        var (sent, answered) = (ByteBuffer(), ByteBuffer())
        for turn in 0..<60 {
            stage.link.acceptor.readByteCount =
                turn % 3 == 0 ? 1 + Int.random(in: 0..<(5000), using: &random) : .max
            stage.link.dialler.readByteCount =
                turn % 4 == 0 ? 1 + Int.random(in: 0..<(300), using: &random) : .max
            let piece = ByteBuffer(
                bytes: random.bytes(1 + Int.random(in: 0..<(turn % 5 == 0 ? 65_536 : 9_000), using: &random)))
            // The second way packs packets as JavaScript does: they begin and end anywhere in boxes.
            if turn % 2 == 0 {
                stage.client.session.send(piece, on: tunnel.near)
                try stage.endpoint.session.muxrpc.send(piece, on: tunnel.far)
            } else {
                try stage.client.session.muxrpc.send(piece, on: tunnel.near)
                stage.endpoint.session.send(piece, on: tunnel.far)
            }
            sent.writeImmutableBuffer(piece)
            answered.writeImmutableBuffer(piece)
            if turn % 7 == 0 { stage.world.run() }
        }
        stage.world.run()
        #expect(stage.endpoint.bytes[tunnel.far] == sent)
        #expect(stage.client.bytes[tunnel.near] == answered)
        #expect(stage.near.metrics.queuedByteCount == 0 && stage.far.metrics.queuedByteCount == 0)
    }

    @Test("that is busy has more granted to it, and loses nothing")
    mutating func growth() throws {
        let stage = try LinkStage()
        let tunnel = try stage.tunnel()
        var sent = 0
        for _ in 0..<40 {
            for _ in 0..<16 {
                stage.client.session.send(
                    ByteBuffer(repeating: UInt8(sent & 255), count: 32_768), on: tunnel.near)
                sent += 32_768
            }
            stage.world.run()
        }
        stage.settle()
        #expect(stage.endpoint.bytes[tunnel.far]?.readableBytes == sent)
        #expect(stage.client.ends.isEmpty && stage.far.metrics.tunnelCuts.isEmpty)
    }

    @Test("carries packets of an endpoint that are longer than its window")
    func longPackets() throws {
        let stage = try LinkStage()
        let tunnel = try stage.tunnel()
        for length in [700_000, 1_048_000, 700_000] {
            let long = JSONValue.string(String(repeating: "x", count: length))
            try stage.endpoint.session.muxrpc.send(long, on: tunnel.far)
            stage.world.run()
        }
        stage.settle()
        let lengths = stage.client.values[tunnel.near]?.map { $0.string?.utf8.count }
        #expect(lengths == [700_000, 1_048_000, 700_000] && stage.client.ends.isEmpty)
    }

    @Test("ends in an error at both ends when the link breaks, and never in a clean end")
    func breaks() throws {
        let stage = try LinkStage()
        let tunnel = try stage.tunnel()
        stage.endpoint.session.send(ByteBuffer(string: "x"), on: tunnel.far)
        stage.world.run()
        stage.world.cut(stage.link)
        #expect(stage.client.ends == [tunnel.near: ErrorText.otherSideIsGone])
        #expect(stage.endpoint.ends == [tunnel.far: ErrorText.otherSideIsGone])
        #expect(stage.near.metrics.tunnelCount == 0 && stage.far.metrics.tunnelCount == 0)
        // The next call finds no link.
        let late = try stage.call()
        #expect(stage.neighbours.failures == [.noLink])
        stage.neighbours.asked.last?.take(.unreachable)
        stage.world.run()
        #expect(stage.client.ends[late] == "not reachable from here")
    }

    @Test("whose endpoint has not answered yet is asked for elsewhere when the link breaks")
    func breaksEarly() throws {
        let stage = try LinkStage()
        _ = try stage.call()
        stage.world.cut(stage.link)
        #expect(stage.client.ends.isEmpty && stage.neighbours.failures == [.noLink])
    }

    @Test(
        "is refused over there for what that machine knows: denied, not announced, another key, a token of nobody"
    )
    mutating func refusals() throws {
        let stage = try LinkStage()
        let token = try random.tokens(1)[0]
        let (hidden, _) = try stage.world.worlds[1].connect(.random())
        _ = try hidden.announce([token])
        stage.world.run()
        let other = try Identity.random().publicKey
        for (target, endpoint) in [(token.target, other), (other.id, other)] {
            let stream = try stage.client.connect(to: target)
            stage.world.run()
            stage.neighbours.asked.last?.take(.reach(link: stage.id, endpoint: endpoint))
            stage.world.run()
            stage.neighbours.asked.last?.take(.missed)
            stage.world.run()
            #expect(stage.client.ends[stream] == ErrorText.couldNotConnect(to: target))
        }
        #expect(stage.neighbours.failures == [.refused, .refused] && hidden.tunnels.isEmpty)
        let found = try stage.client.connect(to: token.target)
        stage.world.run()
        stage.neighbours.asked.last?.take(.reach(link: stage.id, endpoint: hidden.key))
        stage.world.run()
        #expect(hidden.tunnels.count == 1 && stage.client.ends[found] == nil)
        // The far machine follows its own policy, also for tunnels that stand.
        stage.far.update(PortalPolicy(denied: [stage.client.key]))
        stage.world.run()
        #expect(stage.client.ends[found] == nil && stage.neighbours.failures.count == 3)
        stage.neighbours.asked.last?.take(.missed)
        stage.world.run()
        #expect(stage.client.ends[found] == ErrorText.membersCall)
        #expect(hidden.ends.values.first == ErrorText.otherSideIsGone)
    }

    @Test("is refused by an endpoint that says what only a machine says of itself")
    func forged() throws {
        let stage = try LinkStage()
        let stream = try stage.call()
        let far = try #require(stage.endpoint.tunnels.last?.stream)
        stage.endpoint.session.muxrpc.fail(far, message: ErrorText.notReachable)
        stage.world.run()
        #expect(stage.neighbours.failures == [.refused] && stage.client.ends.isEmpty)
        stage.neighbours.asked.last?.take(.missed)
        stage.world.run()
        #expect(stage.client.ends == [stream: ErrorText.otherSideIsGone])
    }

    @Test("is one of as many as a session carries, however few one peer may have")
    func many() throws {
        let stage = try LinkStage { number, settings in if number == 1 { settings.tunnelLimit = 2 } }
        for _ in 0..<3 {
            let (endpoint, _) = try stage.world.worlds[1].announced()
            let stream = try stage.call(endpoint)
            #expect(endpoint.tunnels.count == 1 && stage.client.ends[stream] == nil)
        }
    }

    @Test("is nothing that a client can ask for, and a link has nothing else")
    func apart() throws {
        let stage = try LinkStage()
        for name in ["cluster.connect", "cluster.flow", "cluster.control"] {
            let stream = try stage.client.open(.duplex, name, [])
            stage.world.run()
            #expect(stage.client.ends[stream]?.contains("not in list of allowed methods") == true)
        }
        let call = try stage.client.call("cluster.hello", [["machine": "x", "use": "tunnels"]])
        stage.world.run()
        #expect(stage.client.refusal(call)?.contains("not in list of allowed methods") == true)
        let rogue = try RogueMachine(1, dialling: 0, in: stage.world)
        let announce = try rogue.peer.call("tunnel.announce")
        let connect = try rogue.peer.connect(to: stage.client.key.id)
        stage.world.run()
        #expect(rogue.peer.refusal(announce)?.contains("not in list of allowed methods") == true)
        #expect(rogue.peer.ends[connect]?.contains("not in list of allowed methods") == true)
        #expect(stage.near.attendance.ids.isEmpty && rogue.end.connection.isOpen)
    }
}
