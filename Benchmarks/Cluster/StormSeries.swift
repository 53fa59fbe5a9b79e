internal import ClusterSimulation
internal import Foundation
internal import NIOCore

/// Faults of every kind on small simulated clusters, one seed after another, for so long as is wanted; each history is
/// checked.
struct StormSeries {
    private static let rounds = 8
    private static let seriesLimit = 4

    let minutes: Double
    let firstSeed: UInt64

    /// What came of one seed.
    private struct Outcome: Sendable {
        let seed: UInt64
        let machineCount: Int
        let seconds: Double
        let lookUpCount: Int
        let faults: [FaultStorm.Fault]
        let violation: String?
    }

    func run() async throws -> Findings {
        let end = ContinuousClock.now + .seconds(minutes * 60)
        let width = UInt64(max(1, min(Self.seriesLimit, ProcessInfo.processInfo.activeProcessorCount)))
        let outcomes = try await withThrowingTaskGroup(of: [Outcome].self) { tasks in
            for first in 0..<width {
                tasks.addTask {
                    var (outcomes, seed): ([Outcome], UInt64) = ([], firstSeed &+ first)
                    // At least one, and none after one that failed.
                    repeat {
                        outcomes.append(try Self.outcome(of: seed))
                        seed &+= width
                    } while ContinuousClock.now < end && outcomes.last?.violation == nil
                    return outcomes
                }
            }
            return try await tasks.reduce(into: []) { $0 += $1 }
        }
        return findings(outcomes)
    }

    private static func outcome(of seed: UInt64) throws -> Outcome {
        var plan = ClusterSimulation.Plan()
        plan.seed = seed
        plan.machineCount = 3 + Int(seed % 5)
        plan.endpointCount = 120
        plan.tokenCount = 12
        plan.network = .rough
        let simulation = try ClusterSimulation(plan)
        simulation.start()
        let start = simulation.now
        var storm = FaultStorm(seed: seed)
        let violations = storm.run(simulation, rounds: rounds)
        return Outcome(
            seed: seed, machineCount: plan.machineCount,
            seconds: Double((simulation.now - start).nanoseconds) / 1e9,
            lookUpCount: simulation.history.lookUps.count, faults: storm.struck,
            violation: violations.first?.description)
    }

    private func findings(_ outcomes: [Outcome]) -> Findings {
        var findings = Findings()
        for count in Set(outcomes.map(\.machineCount)).sorted() {
            let some = outcomes.filter { $0.machineCount == count }
            findings.rows.append(
                Row(
                    name: "\(count) machines",
                    figures: [
                        Figure("runs", "", Double(some.count)),
                        Figure("simulated", "h", some.map(\.seconds).reduce(0, +) / 3600),
                        Figure("look-ups", "", Double(some.map(\.lookUpCount).reduce(0, +))),
                        Figure("faults", "", Double(some.map(\.faults.count).reduce(0, +))),
                    ], group: "under faults"))
        }
        let counts = FaultStorm.Fault.allCases.map { fault in
            "\(fault) \(outcomes.map { $0.faults.count { $0 == fault } }.reduce(0, +))"
        }
        findings.notes.append("faults: \(counts.joined(separator: ", "))")
        let failed = outcomes.first { $0.violation != nil }
        findings.checks.append(
            Check(
                name: "every history keeps its promises", isPassed: failed == nil,
                found: failed.map {
                    "seed \($0.seed), after \($0.faults.map { "\($0)" }): \($0.violation ?? "")"
                }
                    ?? "seeds from \(firstSeed), \(outcomes.count) runs"))
        return findings
    }
}
