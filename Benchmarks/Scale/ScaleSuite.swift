internal import Foundation
internal import Transport
internal import Tunnel

/// Many tunnels at once through one portal.
struct ScaleSuite: Suite {
    private static let counts = [1, 10, 100, 1000]

    let summary = """
        scale: clients in this process, each with a tunnel of its own to one endpoint, all sending; fairness \
        is Jain's index over the tunnels, / is the rate divided by that of 10 tunnels
        """

    func run(_ plan: Plan) async throws -> Findings {
        let rounds = plan.rounds(or: 2)
        let turn = plan.turn(ofSeconds: 3, rounds: rounds, atLeast: .seconds(1))
        let sink = try await CountingSink()
        let cway = try await CwayStage(plan.stage, servicePort: sink.port, sources: .connections)
        defer { cway.end() }
        let (portal, tunnel) = (try cway.portalPeer, try cway.tunnel)
        let dialler = Dialler(threadCount: 2)
        var scores = Self.counts.map { _ in Score() }
        for _ in 0..<rounds {
            for (index, count) in Self.counts.enumerated() {
                let flows = try await Dialler.repeating(count, atOnce: 16) { _ in
                    try await Flow(dialler, portal, tunnel)
                }
                try await measure(flows, sink, cway, turn, &scores[index])
                await dialler.close(flows.map(\.link))
            }
        }
        await dialler.end([])
        await sink.end()
        return Findings(
            rows: zip(Self.counts, scores).map { row($0, $1, against: scores[1]) },
            notes: ["the clients run in the benchmark's process and share the machine with the portal"])
    }

    private struct Score {
        var rates: [Double] = []
        var fairness: [Double] = []
        var portalCPU: [Double] = []
        var portalByteCount = 0
        var cutCount = 0
    }

    private func measure(
        _ flows: [Flow], _ sink: CountingSink, _ cway: CwayStage, _ turn: Duration, _ score: inout Score
    ) async throws {
        let connections = sink.beginRound()
        let ends = try await Dialler.repeating(flows.count, atOnce: 64) { index in
            try await flows[index].begin()
        }
        try await connections.wait(for: flows.count)
        // Long enough for many turns of each tunnel: shares that consist of two turns or three say nothing.
        let turn = max(turn, .milliseconds(4 * flows.count))
        try await Task.sleep(for: .milliseconds(300) + turn / 4)
        let clock = ContinuousClock()
        let before = (time: clock.now, bytes: connections.byteCounts, usage: usage(of: cway))
        try await Task.sleep(for: turn)
        let after = (time: clock.now, bytes: connections.byteCounts, usage: usage(of: cway))
        for end in ends { end.stop() }
        try await connections.waitForEnds()
        let shares = zip(after.bytes, before.bytes).map { Double($0 - $1) }
        let total = shares.reduce(0, +)
        score.rates.append(total / (after.time - before.time).inSeconds / 1e6)
        score.cutCount += ends.count(where: \.isCut)
        score.fairness.append(Self.jainsIndex(shares))
        score.portalCPU.append((after.usage.cpuSeconds - before.usage.cpuSeconds) / total * 1e9)
        score.portalByteCount = max(score.portalByteCount, after.usage.proportionalByteCount)
    }

    private func usage(of cway: CwayStage) -> ProcessTable.Usage {
        ProcessTable().usage(of: [cway.portal.id])
    }

    /// 1 where all have the same, 1/n where one has everything.
    ///
    /// Source: Jain, Chiu and Hawe, "A quantitative measure of fairness", 1984.
    private static func jainsIndex(_ shares: [Double]) -> Double {
        let sum = shares.reduce(0, +)
        let squares = shares.reduce(0) { $0 + $1 * $1 }
        return squares == 0 ? .nan : sum * sum / (Double(shares.count) * squares)
    }

    private func row(_ count: Int, _ score: Score, against ten: Score) -> Row {
        Row(
            name: count == 1 ? "1 tunnel" : "\(count) tunnels",
            figures: [
                Figure("rate", "MB/s", of: score.rates),
                Figure("/ 10", of: score.rates.divided(by: ten.rates)),
                Figure("fairness", of: score.fairness), Figure("portal", "s/GB", score.portalCPU.median),
                Figure("portal", "MiB", Double(score.portalByteCount) / 1_048_576),
                Figure("tunnels cut", "", Double(score.cutCount)),
            ])
    }
}
