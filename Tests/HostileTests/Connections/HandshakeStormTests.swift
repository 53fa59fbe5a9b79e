import Connection
import MuxRPC
import NIOCore
import Node
import PortalCore
import TestSupport
import Testing
import Transport
import Tunnel
import TypedSodium

extension Hostile {
    /// Handshakes that are begun and left, and those of many honest nodes at once.
    @Suite("Handshakes in thousands")
    struct HandshakeStormTests {
        /// How much longer a round trip may take meanwhile.
        private static let allowance = Duration.milliseconds(50)
        /// How often it is tried in the short form: few round trips are made in it, and one in a hundred counts, which
        /// whatever else a machine does can delay.
        private static var rounds: Int { ListeningPortal.isLong ? 1 : 3 }

        @Test("that are slow cost nothing but their places", .timeLimit(.minutes(2)))
        func slow() async throws {
            let count = ListeningPortal.isLong ? 5000 : 500
            try await ListeningPortal.run(.init(connectionCount: 2 * count)) { portal in
                let pair = try await portal.pair()
                try await Self.expectUnhurt("slow: \(count)", pair, isMeasured: false) { _ in
                    try await withThrowingTaskGroup(of: Dialled.self) { tasks in
                        for _ in 0..<count { tasks.addTask { try await portal.dial(from: 66, .drip) } }
                        return try await tasks.reduce(into: []) { $0.append($1) }
                    }
                } after: { dialled in
                    let clock = ContinuousClock()
                    let time = try await clock.measure { try await portal.link(.drawn()).close() }
                    #expect(time < .seconds(2))
                    for dialled in dialled { dialled.close() }
                    try await portal.awaitConnectionCount(2)
                }
                await pair.close()
            }
        }

        /// Each announces itself, as an endpoint does that has lost its portal.
        @Test("that all begin at once are served soon, and pairs notice little", .timeLimit(.minutes(2)))
        func storm() async throws {
            // The peers' ends are in this process too.
            let count = ListeningPortal.isLong ? min(10_000, (ProcessDescriptors.limit - 500) / 2) : 500
            try await ListeningPortal.run(.init(connectionCount: 2 * count + 1000)) { portal in
                let pair = try await portal.pair()
                try await Self.expectUnhurt("storm: \(count)", pair) { round in
                    let clock = ContinuousClock()
                    let began = clock.now
                    let served = try await withThrowingTaskGroup(of: (Dialled, Int).self) { tasks in
                        for number in 0..<count {
                            tasks.addTask { try await comeBack(number, of: round, to: portal) }
                        }
                        return try await tasks.reduce(into: []) { $0.append($1) }
                    }
                    let tries = served.reduce(0) { $0 + $1.1 }
                    print("storm: \(count) in \(clock.now - began), \(tries) tries")
                    #expect(clock.now - began < .seconds(20))
                    return served
                } after: { served in
                    #expect(served.allSatisfy { $0.0.channel.isActive })
                    for (dialled, _) in served { dialled.close() }
                    try await portal.awaitConnectionCount(2)
                }
                await pair.close()
            }
        }

        private static func isUnhurt(_ name: String, _ before: [Duration], _ times: [Duration]) -> Bool {
            print(
                "\(name), p50 \(before.percentile(50)) → \(times.percentile(50)), "
                    + "p99 \(before.percentile(99)) → \(times.percentile(99))")
            return times.percentile(99) < before.percentile(99) + allowance
        }

        /// Measures round trips before and while something is done, or, not `isMeasured`, when it is done, until a round
        /// shows that they are unhurt.
        private static func expectUnhurt<Value: Sendable>(
            _ name: String, _ pair: HonestPair, isMeasured: Bool = true,
            _ body: @escaping @Sendable (_ round: Int) async throws -> Value,
            after: (Value) async throws -> Void
        ) async throws {
            for round in 1...rounds {
                let before = try await pair.roundTrips(for: .milliseconds(500))
                let attack = Attack()
                if !isMeasured {
                    let value = try await body(round)
                    let times = try await pair.roundTrips(for: .milliseconds(500))
                    try await after(value)
                    if isUnhurt(name, before, times) { return }
                    continue
                }
                // Ahead of the hundreds of tasks that the others' ends are: those have machines of their own.
                let during = Task(priority: .high) { try await pair.roundTrips { attack.goesOn } }
                let result = await Result { try await body(round) }
                attack.end()
                let times = try await during.value
                try await after(result.get())
                if isUnhurt(name, before, times) { return }
            }
            Issue.record("\(name): round trips took more than \(allowance) longer")
        }

        /// Dials until it is announced, as an endpoint does, each time after a longer while; how often that was.
        private func comeBack(
            _ number: Int, of round: Int, to portal: ListeningPortal
        ) async throws -> (Dialled, Int) {
            var random = SeededRandom(seed: UInt64(round << 32 + number))
            var backoff = Backoff()
            for tries in 1...20 {
                do {
                    let dialled = try await portal.dial(from: 2 + number % 100, .call("tunnel.announce"))
                    guard case .value = try await dialled.reply.get() else {
                        dialled.close()
                        throw HangUp()
                    }
                    return (dialled, tries)
                } catch {
                    let fraction = Double.random(in: 0..<1, using: &random)
                    let pause = backoff.failed(at: .now(), fraction: fraction)
                    try await Task.sleep(for: .nanoseconds(pause.nanoseconds))
                }
            }
            throw HangUp()
        }
    }
}

extension Result where Failure == any Error {
    /// What came of something.
    fileprivate init(_ body: () async throws -> Success) async {
        do {
            self = .success(try await body())
        } catch {
            self = .failure(error)
        }
    }
}
