import NIOCore
import Sodium
import Testing
import Transport

extension Hostile {
    /// Handshakes that are begun and left, and those of many honest nodes at once.
    @Suite("Handshakes in thousands")
    struct HandshakeStormTests {
        /// How much longer a round trip may take meanwhile.
        ///
        /// In the short form there are so few that the longest is what counts, beside whatever else a machine does.
        private static var allowance: Duration {
            ListeningPortal.isLong ? .milliseconds(50) : .milliseconds(250)
        }

        @Test("that are slow cost nothing but their places", .timeLimit(.minutes(2)))
        func slow() async throws {
            let count = ListeningPortal.isLong ? 5000 : 500
            try await ListeningPortal.run(.init(connectionCount: 2 * count)) { portal in
                let pair = try await portal.pair()
                let before = try await pair.roundTrips(for: .milliseconds(500))
                let dialled = try await withThrowingTaskGroup(of: Dialled.self) { tasks in
                    for _ in 0..<count { tasks.addTask { try await portal.dial(from: 66, .drip) } }
                    return try await tasks.reduce(into: []) { $0.append($1) }
                }
                let during = try await pair.roundTrips(for: .milliseconds(500))
                let clock = ContinuousClock()
                let time = try await clock.measure { try await portal.link(.random()).close() }
                #expect(time < .seconds(2))
                #expect(during.percentile(99) < before.percentile(99) + Self.allowance)
                print(
                    "slow: \(count), p99 \(before.percentile(99)) → \(during.percentile(99)), newcomer \(time)"
                )
                for dialled in dialled { dialled.close() }
                try await portal.awaitConnectionCount(2)
                await pair.close()
            }
        }

        @Test("that all begin at once are served soon, and pairs notice little", .timeLimit(.minutes(2)))
        func storm() async throws {
            // The peers' ends are in this process too.
            let count = ListeningPortal.isLong ? min(10_000, (ProcessDescriptors.limit - 500) / 2) : 400
            try await ListeningPortal.run(.init(connectionCount: 2 * count + 1000)) { portal in
                let pair = try await portal.pair()
                let before = try await pair.roundTrips(for: .milliseconds(500))
                let attack = Attack()
                let clock = ContinuousClock()
                let began = clock.now
                async let during = pair.roundTrips { attack.goesOn }
                let (served, tries) = try await withThrowingTaskGroup(of: (Dialled, Int).self) { tasks in
                    for number in 0..<count {
                        tasks.addTask { try await comeBack(to: portal, from: 2 + number % 100) }
                    }
                    return try await tasks.reduce(into: ([Dialled](), 0)) {
                        $0.0.append($1.0)
                        $0.1 += $1.1
                    }
                }
                let time = clock.now - began
                attack.end()
                let roundTrips = try await during
                print(
                    "storm: \(count) in \(time), \(tries) tries, "
                        + "p50 \(before.percentile(50)) → \(roundTrips.percentile(50)), "
                        + "p99 \(before.percentile(99)) → \(roundTrips.percentile(99))")
                #expect(time < .seconds(20))
                #expect(roundTrips.percentile(99) < before.percentile(99) + Self.allowance)
                for dialled in served { dialled.close() }
                try await portal.awaitConnectionCount(2)
                await pair.close()
            }
        }

        /// Dials until it is served, as a node does, after a second and more; how often that was.
        private func comeBack(to portal: ListeningPortal, from host: Int) async throws -> (Dialled, Int) {
            for tries in 1...20 {
                do {
                    let dialled = try await portal.dial(from: host, .call("tunnel.ping"))
                    _ = try await dialled.reply.get()
                    return (dialled, tries)
                } catch {
                    try await Task.sleep(for: .milliseconds(Int.random(in: 500...1500)))
                }
            }
            throw HangUp()
        }
    }
}
