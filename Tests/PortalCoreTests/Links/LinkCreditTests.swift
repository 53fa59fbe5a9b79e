import Connection
import Multiserver
import MuxRPC
import NIOCore
import PortalCore
import SecureSession
import TestSupport
import Testing
import TypedSodium

/// Credit on links, and machines that break its rules.
@Suite("A link")
struct LinkCreditTests {
    @Test("keeps what a receiver leaves within its window there, and the others go on")
    func stall() throws {
        let stage = try LinkStage()
        let (slow, slowLink) = try stage.world.worlds[1].announced()
        let stalled = try stage.tunnel(to: slow)
        let lively = try stage.tunnel()
        // Each has shown to be there.
        slow.session.send(ByteBuffer(string: "x"), on: stalled.far)
        stage.endpoint.session.send(ByteBuffer(string: "x"), on: lively.far)
        stage.world.run()
        slowLink.isPeerReading = false
        var sent = 0
        for _ in 0..<64 {
            stage.client.session.send(ByteBuffer(repeating: 1, count: 64_000), on: stalled.near)
            stage.client.session.send(ByteBuffer(repeating: 2, count: 64_000), on: lively.near)
            sent += 64_000
            stage.world.run()
        }
        #expect(stage.endpoint.bytes[lively.far]?.readableBytes == sent)
        #expect(stage.far.metrics.queuedByteCount <= (256 << 10) + (64 << 10))
        #expect(stage.near.metrics.queuedByteCount > 3 << 20)
        slowLink.isPeerReading = true
        stage.settle()
        #expect(slow.bytes[stalled.far]?.readableBytes == sent)
        #expect(stage.client.ends.isEmpty)
    }

    @Test(
        "pauses a client that goes on sending to such a receiver, and cuts their tunnel when that takes nothing"
    )
    func stuck() throws {
        let stage = try LinkStage { _, settings in settings.tunnelQueueByteCount = 1 << 20 }
        let tunnel = try stage.tunnel()
        stage.endpoint.session.send(ByteBuffer(string: "x"), on: tunnel.far)
        stage.world.run()
        stage.endpointLink.isPeerReading = false
        for _ in 0..<64 {
            stage.client.session.send(ByteBuffer(repeating: 1, count: 64_000), on: tunnel.near)
        }
        stage.clientLink.readByteCount = 64 << 10
        stage.world.run()
        #expect(!stage.clientLink.connection.wantsInput)
        #expect(stage.near.metrics.queuedByteCount < 2 << 20 && stage.far.metrics.queuedByteCount < 1 << 20)
        stage.world.wait(.seconds(31))
        #expect(stage.client.ends == [tunnel.near: ErrorText.cutStuck])
        #expect(stage.clientLink.connection.wantsInput && stage.near.metrics.queuedByteCount == 0)
    }

    @Test("cuts the tunnel on which more is sent than was granted, and no other")
    func overrun() throws {
        let stage = try LinkStage()
        let rogue = try RogueMachine(0, dialling: 1, in: stage.world)
        let caller = try Identity.random().publicKey
        let good = try rogue.connect(caller, to: stage.endpoint.key)
        let (slow, slowLink) = try stage.world.worlds[1].announced()
        let bad = try rogue.connect(caller, to: slow.key)
        slowLink.isPeerReading = false
        stage.world.run()
        for _ in 0..<12 {
            rogue.peer.session.send(ByteBuffer(repeating: 1, count: 32_000), on: bad)
            rogue.peer.session.send(ByteBuffer(repeating: 2, count: 10_000), on: good)
            stage.world.run()
        }
        #expect(rogue.peer.ends == [bad: ErrorText.cutOverrun])
        #expect(stage.far.metrics.tunnelCuts == [.overrun: 1])
        #expect(stage.endpoint.bytes.values.first?.readableBytes == 120_000)
        #expect(stage.far.metrics.queuedByteCount == 0)
    }

    @Test("sends on a tunnel what the other machine has granted, and not a byte more")
    func credit() throws {
        let stage = try LinkStage()
        let rogue = try RogueMachine(0, dialling: 1, in: stage.world)
        let tunnel = try rogue.connect(try Identity.random().publicKey, to: stage.endpoint.key)
        let far = try #require(stage.endpoint.tunnels.last?.stream)
        for _ in 0..<20 { stage.endpoint.session.send(ByteBuffer(repeating: 1, count: 32_000), on: far) }
        stage.world.run()
        let first = try #require(rogue.peer.bytes[tunnel]?.readableBytes)
        #expect(first <= 256 << 10 && first >= 192 << 10)
        try rogue.grant(100_000, on: StreamID(sentNumber: 77_777))
        #expect(rogue.peer.bytes[tunnel]?.readableBytes == first)
        try rogue.grant(200_000, on: tunnel)
        let second = try #require(rogue.peer.bytes[tunnel]?.readableBytes)
        #expect(second > first && second <= (256 << 10) + 200_000)
        try rogue.grant(.max, on: tunnel)
        try rogue.grant(.max, on: tunnel)
        #expect(rogue.peer.bytes[tunnel]?.readableBytes == 640_000)
    }

    @Test(
        "lets nobody in who does not prove to be the machine that it says, or who calls before it has said so"
    )
    func impostors() throws {
        let world = try LinkWorld(count: 3)
        #expect(try RogueMachine(1, dialling: 0, in: world, as: 2).end.connection.phase == .broken)
        #expect(try RogueMachine(1, dialling: 0, in: world, as: 9).end.connection.phase == .broken)
        #expect(
            try RogueMachine(1, dialling: 0, in: world, for: "everything").end.connection.phase == .broken)
        let terms = world.terms(1)
        let hasty = try SessionPeer(
            terms.identity, to: world.terms(0).identity.publicKey, network: terms.network)
        let end = world.accepted(hasty, at: 0)
        _ = try hasty.open(.duplex, "cluster.connect", [])
        world.run()
        #expect(end.connection.phase == .broken)
        let silent = world.accepted(
            try SessionPeer(terms.identity, to: world.terms(0).identity.publicKey, network: terms.network),
            at: 0)
        world.wait(.seconds(4))
        #expect(silent.connection.phase == .broken)
    }

    @Test("answers a call that is none, or not the caller's, with an error")
    func malformed() throws {
        let stage = try LinkStage()
        let rogue = try RogueMachine(0, dialling: 1, in: stage.world)
        let (caller, other) = (try Identity.random().publicKey, try Identity.random().publicKey)
        let forged = try rogue.connect(caller, to: stage.endpoint.key, origin: other)
        #expect(rogue.peer.ends[forged] == ErrorText.invalidConnect)
        for arguments: [JSONValue] in [[], [[:], [:]], [1, 2], [["source": "a"], ["target": "x"]]] {
            let stream = try rogue.peer.open(.duplex, "cluster.connect", arguments)
            stage.world.run()
            #expect(rogue.peer.ends[stream] == ErrorText.invalidConnect)
        }
        #expect(stage.endpoint.tunnels.isEmpty && rogue.end.connection.isOpen)
    }

    @Test("that is silent for 3 s gets no more tunnels, and after 8 s each of its tunnels ends in an error")
    func silence() throws {
        let stage = try LinkStage()
        let tunnel = try stage.tunnel()
        stage.endpoint.session.send(ByteBuffer(string: "x"), on: tunnel.far)
        stage.world.wait(.seconds(20))
        #expect(stage.client.ends.isEmpty && stage.link.dialler.connection.isOpen)
        stage.link.dialler.isReading = false
        stage.link.acceptor.isReading = false
        stage.world.wait(.seconds(4))
        _ = try stage.call()
        #expect(stage.neighbours.failures == [.noLink] && stage.client.ends.isEmpty)
        stage.world.wait(.seconds(5))
        #expect(stage.client.ends[tunnel.near] == ErrorText.otherSideIsGone)
        #expect(stage.endpoint.ends == [tunnel.far: ErrorText.otherSideIsGone])
    }

    @Test("passes nothing on that came over another link, and asks no other machine for it")
    func once() throws {
        let neighbours = ScriptedNeighbours()
        let stage = try LinkStage { number, settings in
            if number == 1 { settings.neighbours = neighbours }
        }
        let rogue = try RogueMachine(0, dialling: 1, in: stage.world)
        let (caller, absent) = (try Identity.random().publicKey, try Identity.random().publicKey)
        let stream = try rogue.connect(caller, to: absent)
        #expect(rogue.peer.ends[stream] == ErrorText.couldNotConnect(to: absent.id))
        #expect(neighbours.asked.isEmpty)
    }

    @Test("without tunnels is left after a minute")
    func idle() throws {
        let stage = try LinkStage()
        let tunnel = try stage.tunnel()
        stage.endpoint.session.send(ByteBuffer(string: "x"), on: tunnel.far)
        stage.world.wait(.seconds(70))
        #expect(stage.link.dialler.connection.isOpen)
        stage.client.session.muxrpc.end(tunnel.near)
        stage.world.wait(.seconds(70))
        #expect(!stage.link.dialler.connection.isOpen && !stage.link.acceptor.connection.isOpen)
    }

    @Test(
        "for sealed messages carries them whole, in order, however they are cut, and ends at one that is too long"
    )
    func control() throws {
        let world = try LinkWorld()
        let link = try world.link(from: 0, to: 1, for: .control)
        #expect(link.dialler.controlStands && link.acceptor.controlStands)
        var random = SeededRandom(seed: 1403)
        var sent: [[UInt8]] = []
        for length in [1, 100, 4_000, 32_768, 65_576, 66 << 10, 7] {
            link.acceptor.readByteCount = 1 + Int.random(in: 0..<(9_000), using: &random)
            let message = random.bytes(length)
            #expect(link.dialler.connection.send(message) && link.acceptor.connection.send(message))
            sent.append(message)
            world.run()
        }
        #expect(link.acceptor.messages == sent && link.dialler.messages == sent)
        #expect(!link.dialler.connection.send(random.bytes((66 << 10) + 1)))
        link.acceptor.isReading = false
        var count = 0
        while link.dialler.connection.send(random.bytes(60_000)) { count += 1 }
        #expect(count <= 70)
        // What waits is paid for while it does.
        let near = world.worlds[0].portal
        #expect(near.metrics.heldByteCount > 3 << 20)
        link.acceptor.isReading = true
        world.run()
        #expect(near.metrics.heldByteCount == 0)
        let rogue = try RogueMachine(0, dialling: 1, in: world, for: "control")
        let stream = try rogue.peer.open(.duplex, "cluster.control", [])
        try rogue.peer.session.muxrpc.send(ByteBuffer(integer: UInt32(1 << 30)), on: stream)
        world.run()
        #expect(rogue.end.connection.phase == .broken)
    }
}
