import ClusterSimulation
import Foundation
import Glibc
import PeerSupport
import Testing
import Watching

extension ClusterProcesses {
    @Suite("NATS in trouble")
    struct EngineTests {
        /// The bound of the histogram up to which a loop is in time.
        private static let bound = "0.02"

        /// How many timers of a machine's event loops came, and how many of them in time.
        private static func timers(of index: Int, _ stage: ClusterStage) throws -> (
            all: Double, inTime: Double
        ) {
            let text = try LoopbackSocket.answer(of: stage.places[index].metricsPort, to: "/metrics")
            func value(_ label: String) -> Double {
                let line = text.split(whereSeparator: \.isNewline).first {
                    $0.hasPrefix("cway_event_loop_delay_seconds_bucket") && $0.contains("le=\"\(label)\"")
                }
                return line?.split(separator: " ").last.flatMap { Double($0) } ?? 0
            }
            return (value("+Inf"), value(bound))
        }

        /// What part of each machine's timers comes in time, with bytes to everybody and a fresh call a second.
        private static func sharesInTime(
            rounds: UInt64, _ population: Population, seed: UInt64
        ) async throws -> [Double] {
            let stage = population.stage
            let before = try stage.places.indices.map { try timers(of: $0, stage) }
            for number in seed..<seed + rounds {
                try await receive(population, bytesPerSecond: 100_000, for: .seconds(1), seed: number)
                try await population.call(
                    population.endpoints[0], as: population.clients[1], byteCount: 1_000, seed: number,
                    mustSucceed: true)
            }
            return try zip(stage.places.indices, before).map { index, before in
                let after = try timers(of: index, stage)
                return (after.inTime - before.inTime) / max(1, after.all - before.all)
            }
        }

        /// Every client takes bytes for so long, and none is missing at the end.
        private static func receive(
            _ population: Population, bytesPerSecond rate: Int, for time: Duration, seed: UInt64
        ) async throws {
            await withTaskGroup(of: Void.self) { tasks in
                for client in population.clients {
                    tasks.addTask {
                        let outcome = await PacedReader.received(
                            from: client.port, bytesPerSecond: rate, for: time, seed: seed)
                        #expect(outcome.isWhole, "client \(client.number): \(outcome)")
                    }
                }
            }
        }

        @Test("a server that is frozen for 15 s holds up no event loop, and no call")
        func frozen() async throws {
            try await ClusterStage.run { stage in
                var random = SimulationRandom(seed: 3)
                let population = try await Population.start(4, on: stage, &random)
                await population.expectAll(byteCount: 10_000, seed: 1)
                let calm = try await Self.sharesInTime(rounds: 8, population, seed: 2)
                stage.engine.signal(0, SIGSTOP)
                // A machine that talked over the frozen server takes a second to see it.
                try await stage.isLeft(0)
                let frozen = try await Self.sharesInTime(rounds: 15, population, seed: 50)
                stage.engine.signal(0, SIGCONT)
                // A machine with too few processors is late at any time: it may not be later.
                for (calm, frozen) in zip(calm, frozen) {
                    print("timers within \(Self.bound) s: \(calm), and \(frozen) beside a frozen server")
                    #expect(frozen >= min(0.99, calm - 0.02), "\(calm) of the timers in time, then \(frozen)")
                }
                #expect(population.check().violations == [])
            }
        }

        @Test("all servers may be away: calls go on, and everything comes back by itself")
        func away() async throws {
            try await ClusterStage.run { stage in
                var random = SimulationRandom(seed: 4)
                let population = try await Population.start(6, on: stage, &random)
                await population.expectAll(byteCount: 10_000, seed: 1)
                for index in 0..<stage.engine.count { stage.engine.kill(index) }
                try await stage.engine(isUp: false)
                await population.expectAll(byteCount: 10_000, seed: 2)
                // An endpoint that announces anew, and a call that has to look for it.
                try await population.restart(population.endpoints[0])
                try await stage.areListed([population.endpoints[0].id])
                try await population.call(
                    population.endpoints[0], as: population.clients[2], byteCount: 1_000, seed: 3,
                    mustSucceed: true)
                try await Self.receive(
                    population, bytesPerSecond: 10_000, for: .seconds(120),
                    seed: 3)
                await population.expectAll(byteCount: 10_000, seed: 4)
                for index in 0..<stage.engine.count { try stage.engine.start(index) }
                for index in 0..<stage.engine.count { try await stage.engine.isReady(index) }
                try await stage.engine(isUp: true)
                await population.expectAll(byteCount: 10_000, seed: 5)
                for index in stage.places.indices {
                    try await stage.isReady(index, within: .seconds(5))
                    try await stage.report(of: index) { $0.policy?.standing == "current" }
                }
                // Who may do what can be changed again.
                _ = try await stage.output(
                    home: "machine0",
                    ["portal", "members", "add", "@\(String(repeating: "A", count: 42))8=.ed25519"])
                #expect(population.check().violations == [])
            }
        }
    }
}
