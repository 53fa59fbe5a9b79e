import MuxRPC
import NIOCore
import Sodium
import Testing
import Transport
import Tunnel

extension Hostile {
    /// Connections that fill a portal, and again what is given back.
    @Suite("A flood of connections")
    struct ConnectionFloodTests {
        /// Dials from one address without end, so many at a time, and keeps what it gets.
        private func flood(
            _ portal: ListeningPortal, from host: Int, _ manner: ListeningPortal.Manner, width: Int,
            as attack: Attack
        ) async {
            await withTaskGroup { tasks in
                for _ in 0..<width {
                    tasks.addTask {
                        while attack.goesOn {
                            guard let dialled = try? await portal.dial(from: host, manner) else { continue }
                            // What is not let in is closed; the next one is tried then.
                            await attack.hold(dialled.channel)
                        }
                    }
                }
            }
        }

        @Test("keeps nobody out who comes from another address", .timeLimit(.minutes(1)))
        func newcomer() async throws {
            try await ListeningPortal.run(.init(connectionCount: 128)) { portal in
                let pair = try await portal.pair()
                let before = try await pair.roundTrips(for: .milliseconds(500))
                let attack = Attack()
                try await withThrowingTaskGroup { tasks in
                    // Ten times as many as there are places, and as fast as they are closed.
                    for manner in [ListeningPortal.Manner.silent, .hello, .call("tunnel.ping")] {
                        tasks.addTask {
                            await flood(portal, from: 66, manner, width: 400, as: attack)
                        }
                    }
                    #expect(try await Hostile.eventually(within: .seconds(10)) { attack.holdCount >= 400 })
                    let clock = ContinuousClock()
                    for _ in 0..<5 {
                        let time = try await clock.measure {
                            try await portal.link(.drawn()).close()
                        }
                        #expect(time < .seconds(2))
                        print("a newcomer beside a flood of 1,200: \(time)")
                    }
                    let during = try await pair.roundTrips(for: .milliseconds(500))
                    print("p99 before \(before.percentile(99)), during \(during.percentile(99))")
                    attack.end()
                    await pair.close()
                }
            }
        }

        @Test("keeps no member out whose address it has, and tells others why", .timeLimit(.minutes(1)))
        func member() async throws {
            let member = try Identity.drawn()
            let limits = ConnectionLimits.Settings(
                connectionCount: 256, ceilings: .init(connectionsPerSource: 16))
            try await ListeningPortal.run(limits, policy: PortalPolicy(members: [member.publicKey])) {
                portal in
                var held: [Dialled] = []
                for _ in 0..<16 { held.append(try await portal.dial(from: 1, .call("tunnel.ping"))) }
                for dialled in held { try await dialled.opened.get() }
                let attack = Attack()
                await withTaskGroup { tasks in
                    // Silent ones, and a few that make as much of a handshake as they can.
                    for (manner, width) in [(ListeningPortal.Manner.silent, 20), (.call("tunnel.ping"), 4)] {
                        tasks.addTask {
                            await flood(portal, from: 1, manner, width: width, as: attack)
                        }
                    }
                    do {
                        let hasBegun = try await Hostile.eventually(within: .seconds(10)) {
                            attack.holdCount >= 100
                        }
                        #expect(hasBegun)
                        let clock = ContinuousClock()
                        let began = clock.now
                        let dialled = try await portal.dial(from: 1, .call("tunnel.ping"), as: member)
                        #expect(try await dialled.reply.get() == .value(1_795_000_000_000))
                        print("a member behind an attacker's address: \(clock.now - began)")
                        #expect(clock.now - began < .seconds(2))

                        let stranger = try await portal.dial(from: 1, .call("tunnel.ping"))
                        let busy = RemoteError("busy: too many connections from your address")
                        #expect(try await stranger.reply.get() == .failure(busy))
                        try await stranger.channel.closeFuture.get()
                        #expect(dialled.channel.isActive && held.allSatisfy(\.channel.isActive))
                    } catch {
                        Issue.record(error)
                    }
                    attack.end()
                    for dialled in held { dialled.close() }
                }
            }
        }
    }
}
