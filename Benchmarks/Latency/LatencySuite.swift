internal import Histogram
internal import PeerSupport

/// How long a few bytes take there and back.
struct LatencySuite: Suite {
    let summary = """
        latency: 64 bytes there and back over TCP, alone and beside a bulk flow through another client of \
        the same endpoint; / is cway's time divided by the row's
        """

    func run(_ plan: Plan) async throws -> Findings {
        var ways = Ways()
        ways.all.append(try await .cway(plan.stage, withSecondClient: true))
        ways.all.append(try .direct())
        await ways.add("a bare relay") { try await .bareRelay(plan.stage) }
        if plan.withPeers {
            await ways.add("OpenSSH") { try await .ssh(plan.stage, .chacha20, withSecondClient: true) }
        } else {
            ways.missing.append(Ways.withoutPeers)
        }
        defer { ways.end(on: plan.stage) }

        var findings = Findings(notes: ways.missing)
        for isBusy in [false, true] { try measure(ways.all, isBusy: isBusy, plan, &findings) }
        return findings
    }

    private func measure(_ ways: [Way], isBusy: Bool, _ plan: Plan, _ findings: inout Findings) throws {
        let rounds = plan.rounds(or: 5)
        let turn = plan.turn(ofSeconds: 1, rounds: rounds, atLeast: .milliseconds(100))
        var (medians, tails) = (ways.map { _ in [Double]() }, ways.map { _ in [Double]() })
        var all = ways.map { _ in Histogram<UInt64>(numberOfSignificantValueDigits: .three) }
        for round in 0..<rounds {
            for step in ways.indices {
                let index = (step + round) % ways.count
                let times = try measure(ways[index], isBusy: isBusy, turn)
                medians[index].append(Double(times.valueAtPercentile(50)) / 1000)
                tails[index].append(Double(times.valueAtPercentile(99)) / 1000)
                all[index].add(times)
            }
        }
        for (index, way) in ways.enumerated() {
            var figures = [
                Figure("p50", "µs", of: medians[index]), Figure("p99", "µs", of: tails[index]),
                Figure("p99.9", "µs", Double(all[index].valueAtPercentile(99.9)) / 1000),
            ]
            if index > 0 {
                figures += [
                    Figure("p50 /", of: medians[0].divided(by: medians[index])),
                    Figure("p99 /", of: tails[0].divided(by: tails[index])),
                ]
            }
            findings.rows.append(
                Row(name: way.name, figures: figures, group: isBusy ? "beside a bulk flow" : "alone"))
        }
    }

    private func measure(_ way: Way, isBusy: Bool, _ turn: Duration) throws -> Histogram<UInt64> {
        let bulk = isBusy ? try Transfer(along: way.throughSecondClient, flowCount: 1, .up) : nil
        defer { bulk?.cut() }
        let pingPong = try PingPong(along: way)
        _ = try pingPong.run(for: .milliseconds(50))  // credit, caches and the bulk flow get going
        return try pingPong.run(for: turn)
    }
}
