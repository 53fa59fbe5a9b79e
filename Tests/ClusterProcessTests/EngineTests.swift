import ClusterSimulation
import Foundation
import Glibc
import PeerSupport
import Testing

extension ClusterProcesses {
    @Suite("NATS in trouble")
    struct EngineTests {
        /// The bound of the histogram up to which a loop is in time.
        private static let bound = "0.025"

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

        @Test("a server that is frozen for 15 s holds up no event loop, and no call")
        func frozen() async throws {
            try await ClusterStage.run { stage in
                var random = SimulationRandom(seed: 3)
                let population = try await Population.start(4, on: stage, &random)
                await population.expectAll(byteCount: 10_000, seed: 1)
                let before = try stage.places.indices.map { try Self.timers(of: $0, stage) }
                stage.engine.signal(0, SIGSTOP)
                let start = ContinuousClock.now
                var number: UInt64 = 2
                // A machine that talked over the frozen server may take a second to see it.
                try await Task.sleep(for: .seconds(2))
                while ContinuousClock.now - start < .seconds(15) {
                    await population.expectAll(byteCount: 10_000, seed: number)
                    let open = population.endpoints[0]
                    try await population.call(
                        open, as: population.clients[1], byteCount: 1_000, seed: number, mustSucceed: true)
                    number += 1
                }
                let after = try stage.places.indices.map { try Self.timers(of: $0, stage) }
                stage.engine.signal(0, SIGCONT)
                for (before, after) in zip(before, after) {
                    let (all, inTime) = (after.all - before.all, after.inTime - before.inTime)
                    #expect(all > 50 && inTime >= 0.99 * all, "\(inTime) of \(all) timers came in time")
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
                try await Task.sleep(for: .seconds(2))
                await population.expectAll(byteCount: 10_000, seed: 2)
                // An endpoint that announces anew, and a call that has to look for it.
                try await population.restart(population.endpoints[0])
                try await Task.sleep(for: .seconds(2))
                try await population.call(
                    population.endpoints[0], as: population.clients[2], byteCount: 1_000, seed: 3,
                    mustSucceed: true)
                try await Task.sleep(for: .seconds(ClusterProcesses.isLong ? 120 : 14))
                await population.expectAll(byteCount: 10_000, seed: 4)
                for index in 0..<stage.engine.count { try stage.engine.start(index) }
                for index in 0..<stage.engine.count { try await stage.engine.isReady(index) }
                try await Task.sleep(for: .seconds(6))
                await population.expectAll(byteCount: 10_000, seed: 5)
                for index in stage.places.indices { try await stage.isReady(index, within: .seconds(5)) }
                // Who may do what can be changed again.
                _ = try await stage.output(
                    home: "machine0",
                    ["portal", "members", "add", "@\(String(repeating: "A", count: 42))8=.ed25519"])
                #expect(population.check().violations == [])
            }
        }
    }
}
