import ClusterSimulation
import PeerSupport
import Testing

extension ClusterProcesses {
    @Suite("Under faults")
    struct StormTests {
        @Test(
            "30 clients reach 30 endpoints, open and hidden, within ten seconds of each fault, and every byte is right"
        )
        func storm() async throws {
            try await ClusterStage.run { stage in
                var random = SimulationRandom(seed: 14)
                let population = try await Population.start(30, on: stage, &random)
                await population.expectAll(byteCount: 100_000, seed: 1)
                var storm = try await ProcessStorm(population, seed: 14)
                try await storm.run(for: .seconds(isLong ? 1_800 : 180))
                let (violations, transferCount) = population.check()
                let story = storm.story.map { "\($0.fault): \($0.time)" }
                print(story.joined(separator: "\n"))
                #expect(violations == [], "\(story)")
                #expect(transferCount > 30 && storm.story.count > 3)
            }
        }
    }
}
