import Multiserver
import MuxRPC
import NIOCore
import NIOPosix
import PortalCore
import SecretHandshake
import SecureSession
import Testing
import Transport
import Tunnel
import TypedSodium

extension Hostile {
    /// A portal's tunnels, of many who want many.
    @Suite("Tunnels of a crowd")
    struct TunnelCrowdTests {
        /// An office of friends behind one address comes while a hundred addresses ask for all the tunnels there are.
        @Test("of which sixty-four are an office's, which works", .timeLimit(.minutes(2)))
        func office() async throws {
            let addressCount = ListeningPortal.isLong ? 100 : 8
            // The office's are friends with a key each; here they are called hostile only by the stage.
            try await BesiegedEndpoint.run(hostileCount: 64) { besieged in
                let office = try await besieged.attacker(from: 2)
                var tunnels: [StreamID] = []
                for friend in besieged.hostile.prefix(32) {
                    tunnels.append(try await office.session(with: besieged.identity.publicKey, as: friend))
                }
                try await besieged.expectUnhurt(isAtPortal: true) {
                    var attackers: [Attacker] = []
                    for number in 0..<addressCount {
                        let attacker = try await besieged.attacker(from: 100 + number)
                        attackers.append(attacker)
                        try await attacker.act { caller in
                            for _ in 0..<64 { _ = try caller.openTunnel(to: besieged.identity.publicKey) }
                        }
                    }
                    return attackers
                } during: { _ in
                    let clock = ContinuousClock()
                    for friend in besieged.hostile.suffix(32) {
                        let began = clock.now
                        tunnels.append(
                            try await office.session(with: besieged.identity.publicKey, as: friend))
                        #expect(clock.now - began < .seconds(2))
                    }
                    let standing = try await office.act { caller in
                        for session in caller.sessions.values {
                            _ = try session.muxrpc.call(["tunnel", "ping"], [])
                        }
                        return caller.sessions.count
                    }
                    #expect(standing == 64)
                    _ = try await Hostile.eventually(within: .seconds(2)) {
                        try await office.act { $0.replyCount } >= 64
                    }
                    #expect(try await office.act { $0.replyCount } == 64)
                    #expect(try await office.act { $0.endings.isEmpty })
                    office.close()
                }
            }
        }

        /// Before: 4 MB in, 1 GB held, 3.5 GB later.
        @Test(
            "that carry byte by byte to somebody who does not read hold little", .timeLimit(.minutes(2)))
        func tinyPackets() async throws {
            let count = ListeningPortal.isLong ? 4000 : 100
            try await BesiegedEndpoint.run { besieged in
                try await besieged.expectUnhurt(isAtPortal: true) {
                    let own = try Identity.drawn()
                    let receiver = try await besieged.attacker(from: 66, as: own)
                    try await receiver.act { _ = try $0.outer.muxrpc.call(["tunnel", "announce"], []) }
                    var attackers = [receiver]
                    for number in 0..<count / 50 {
                        let sender = try await besieged.attacker(from: 67 + number)
                        attackers.append(sender)
                        try await sender.act { caller in
                            for _ in 0..<50 { _ = try caller.openTunnel(to: own.publicKey) }
                        }
                    }
                    try await receiver.act { $0.stopReading() }
                    let byte = ByteBuffer(bytes: [1])
                    for sender in attackers.dropFirst() {
                        try await sender.act { caller in
                            if !ListeningPortal.isLong { caller.pause = .milliseconds(250) }
                            caller.feed = { caller in
                                for number in 1...Int32(50) {
                                    caller.outer.send(byte, on: StreamID(sentNumber: number))
                                }
                                return true
                            }
                        }
                    }
                    return attackers
                }
            }
        }

        /// The portal's loops stand still for a moment each, and what was posted to them is paid for all the same.
        @Test(
            "that come, carry and go beside a stalled loop are not cut, and leave nothing",
            .timeLimit(.minutes(1)))
        func churn() async throws {
            let portalGroup = MultiThreadedEventLoopGroup(numberOfThreads: 2)
            let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
            let portal = Portal(
                identity: try .drawn(), network: BesiegedEndpoint.network,
                settings: PortalSettings(name: "stalled") { 0 })
            let server = try await PortalServer.start(
                portal, over: TCPAcceptor(ListenAddress("127.0.0.1:0")), group: portalGroup)
            let address = PeerAddress(
                net: try NetAddress(host: "127.0.0.1", port: UInt16(server.port)),
                key: portal.identity.publicKey)
            func connect(as identity: Identity) async throws -> Seat {
                let loop = group.next()
                let node = try await RawNode.connect(
                    to: address.key, port: server.port, as: identity, network: BesiegedEndpoint.network,
                    on: loop)
                return Seat(node: node, loop: loop)
            }
            let target = try Identity.drawn()
            let endpoint = try await connect(as: target)
            try await endpoint.act { try $0.announce() }
            let client = try await connect(as: .drawn())
            let text = String(repeating: "x", count: 30_000)
            for stalled in portalGroup.makeIterator() {
                let isOver = stalled.makePromise(of: Void.self)
                // A loop that stands still is what is tried here.
                stalled.execute {
                    let end = NIODeadline.now() + .milliseconds(500)
                    while .now() < end {}
                    isOver.succeed()
                }
                for _ in 0..<100 {
                    try await client.act { node in
                        let stream = try node.open(to: target.publicKey)
                        node.send(text, on: stream)
                        node.end(stream)
                    }
                }
                #expect(portal.metrics.heldByteCount <= 32 << 20)
                try await isOver.futureResult.get()
                let stream = try await client.act { try $0.open(to: target.publicKey) }
                let time = try await client.loop.flatSubmit {
                    client.node.value.echo("hello", on: stream)
                }.get()
                #expect(time < .seconds(2))
                try await client.act { $0.end(stream) }
            }
            _ = try await Hostile.eventually(within: .seconds(15)) {
                portal.metrics.heldByteCount <= 1 << 20 && portal.metrics.tunnelCount == 0
            }
            #expect(portal.metrics.heldByteCount <= 1 << 20 && portal.metrics.tunnelCount == 0)
            for seat in [endpoint, client] { try await seat.act { $0.close() } }
            await server.close()
            try await group.shutdownGracefully()
            try await portalGroup.shutdownGracefully()
        }
    }
}
