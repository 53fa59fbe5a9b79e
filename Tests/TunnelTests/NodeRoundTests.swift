import Multiserver
import MuxRPC
import NIOCore
import SecureSession
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("Rounds of a node's tunnels")
struct NodeRoundTests {
    private typealias Friend = (peer: SessionPeer, stream: StreamID)

    private static let roundByteCount = 64 << 10
    private let portal: HandmadePortal
    private let burst = (0..<(200 << 10)).map { UInt8(truncatingIfNeeded: $0 / 251) }

    init() throws {
        let identity = try Identity.random()
        portal = try HandmadePortal(
            node: identity, policy: EndpointPolicy(services: [], access: .anyone))
        portal.readByteCount = .max
        key = identity.publicKey
    }

    private let key: PublicKey

    private func friend() throws -> Friend {
        try portal.friend(["target": .string(key.id)], of: key)
    }

    /// Sends a burst to be echoed; how much more comes back with each round is the answer of ``takeEcho(_:_:)``.
    private func sendBurst(_ friend: Friend) throws -> StreamID {
        let echo = try friend.peer.open(.duplex, "echo", [])
        friend.peer.session.send(ByteBuffer(bytes: burst), on: echo)
        return echo
    }

    private func takeEcho(_ friend: Friend, _ echo: StreamID) -> [UInt8] {
        friend.peer.takeBytes(on: echo).map { Array(buffer: $0) } ?? []
    }

    private func nextRound() {
        portal.node.timeReached(portal.now)
        portal.run()
    }

    @Test("a burst is fed in parts, in order, and others are served in between")
    func inParts() throws {
        let (anna, ben, carl) = (try friend(), try friend(), try friend())
        let echoes = [try sendBurst(anna), try sendBurst(ben)]
        let ping = try carl.peer.call("tunnel.ping", [])
        portal.run()
        #expect(carl.peer.replies[ping] == .value(7), "nobody waits for the burst of another")
        #expect(!portal.node.wantsInput, "what waits for its round is bounded")
        var echoed = [takeEcho(anna, echoes[0]), takeEcho(ben, echoes[1])]
        for part in echoed { #expect(!part.isEmpty && part.count <= Self.roundByteCount) }
        var roundCount = 1
        while let deadline = portal.node.deadline, deadline <= portal.now, roundCount < 10 {
            nextRound()
            for (index, friend) in [anna, ben].enumerated() {
                let part = takeEcho(friend, echoes[index])
                // What the friends have to say about the echo is read meanwhile, and every read is a round.
                #expect(part.count <= 2 * Self.roundByteCount + 4096)
                echoed[index] += part
            }
            roundCount += 1
        }
        #expect((3...4).contains(roundCount) && portal.node.wantsInput)
        for part in echoed { #expect(part == burst) }
    }

    @Test("many calls are answered in parts, in order, and others are served in between")
    func calls() throws {
        let callers = try (0..<4).map { _ in try friend().peer }
        let honest = try friend().peer
        let calls = try callers.map { peer in try (0..<500).map { _ in try peer.call("whoami", []) } }
        let ping = try honest.call("tunnel.ping", [])
        portal.run()
        #expect(honest.replies[ping] == .value(7), "nobody waits for the calls of another")
        let answeredCount = callers.reduce(0) { $0 + $1.replies.count }
        // Each of the reads that the burst comes in is a round.
        #expect(answeredCount <= 3 * 256 + 20, "\(answeredCount)")
        portal.wait(.milliseconds(1))
        for (peer, calls) in zip(callers, calls) {
            #expect(calls.allSatisfy { peer.replies[$0] != nil })
        }
        #expect(portal.node.deadline.map { $0 > portal.now } == true && portal.ended.isEmpty)
    }

    @Test("callers' hellos are answered a few at a time, in order, and others are served in between")
    func hellos() throws {
        let honest = try friend().peer
        let stranger = try Identity.random()
        let tunnels = try (0..<20).map { _ in try portal.connect(["target": .string(key.id)]) }
        for (seed, tunnel) in tunnels.enumerated() {
            let caller = HandmadeCaller(
                seed: UInt64(seed), network: portal.network, server: key, as: stranger, stranger: stranger)
            portal.outer.session.send(ByteBuffer(bytes: try caller.hello()), on: tunnel)
        }
        let ping = try honest.call("tunnel.ping", [])
        portal.run()
        #expect(honest.replies[ping] == .value(7), "nobody waits for all handshakes of others")
        func answered() -> [StreamID] { tunnels.filter { portal.outer.takeBytes(on: $0) != nil } }
        #expect(answered() == Array(tunnels[0..<4]))
        for first in stride(from: 4, to: 20, by: 4) {
            nextRound()
            #expect(answered() == Array(tunnels[first..<first + 4]))
        }
        #expect(portal.node.deadline.map { $0 > portal.now } == true && portal.ended.isEmpty)
    }

    @Test("nothing of a burst is lost at the end", arguments: [false, true])
    func atTheEnd(isWholeConnection: Bool) throws {
        let anna = try friend()
        _ = try sendBurst(anna)
        anna.peer.session.close()
        while let batch = anna.peer.session.nextBatch() { portal.outer.session.send(batch, on: anna.stream) }
        if isWholeConnection {
            portal.run()
            #expect(portal.ended.isEmpty, "the goodbye waits behind the burst")
            portal.node.inputEnded(at: portal.now)
        } else {
            portal.outer.session.muxrpc.end(anna.stream)
        }
        portal.run()
        // Without what came last it would have ended without a goodbye.
        #expect(portal.ended.first == .some(nil))
    }
}
