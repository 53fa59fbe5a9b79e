internal import Histogram
internal import PeerSupport

/// How long a few bytes take there and back.
struct LatencySuite: Suite {
    let summary = """
        latency: 64 bytes there and back over TCP, alone and beside a bulk flow, up and down, through another \
        client of the same endpoint; / is cway's time divided by the row's
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
        for load in [Load.none, .up, .down] { try measure(ways.all, beside: load, plan, &findings) }
        return findings
    }

    /// What else goes through the endpoint.
    private enum Load: String {
        case none = "alone"
        case up = "beside a bulk flow"
        case down = "beside a bulk flow down"

        var direction: Direction? {
            switch self {
            case .none: nil
            case .up: .up
            case .down: .down
            }
        }
    }

    private func measure(
        _ ways: [Way], beside load: Load, _ plan: Plan, _ findings: inout Findings
    ) throws {
        let rounds = plan.rounds(or: 5)
        let turn = plan.turn(ofSeconds: 1, rounds: rounds, atLeast: .milliseconds(100))
        var (medians, tails) = (ways.map { _ in [Double]() }, ways.map { _ in [Double]() })
        var rates = ways.map { _ in [Double]() }
        var all = ways.map { _ in Histogram<UInt64>(numberOfSignificantValueDigits: .three) }
        for round in 0..<rounds {
            for step in ways.indices {
                let index = (step + round) % ways.count
                let (times, rate) = try measure(ways[index], beside: load.direction, turn)
                rates[index].append(rate)
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
            if load != .none { figures.append(Figure("bulk", "MB/s", of: rates[index])) }
            findings.rows.append(Row(name: way.name, figures: figures, group: load.rawValue))
        }
    }

    /// The times of the few bytes, and the rate of the many in MB/s.
    private func measure(
        _ way: Way, beside direction: Direction?, _ turn: Duration
    ) throws -> (times: Histogram<UInt64>, rate: Double) {
        let bulk = try direction.map { try Transfer(along: way.throughSecondClient, flowCount: 1, $0) }
        defer { bulk?.cut() }
        let pingPong = try PingPong(along: way)
        _ = try pingPong.run(for: .milliseconds(50))  // credit, caches and the bulk flow get going
        let clock = ContinuousClock()
        let before = (time: clock.now, byteCount: bulk?.receivedByteCount ?? 0)
        let times = try pingPong.run(for: turn)
        let byteCount = (bulk?.receivedByteCount ?? 0) - before.byteCount
        return (times, Double(byteCount) / (clock.now - before.time).inSeconds / 1e6)
    }
}
