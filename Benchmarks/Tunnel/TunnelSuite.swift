/// Three processes on the loopback interface, TCP at both ends, as they are used.
struct TunnelSuite: Suite {
    private static let roles = ["client", "portal", "endpoint"]

    let summary = """
        tunnel: client, portal and endpoint as processes, TCP at both ends; CPU seconds per GB of payload, \
        by role; × is cway's rate divided by the row's, CPU / is cway's CPU of all roles divided by the row's; \
        a profile of the portal where perf is installed
        """

    func run(_ plan: Plan) async throws -> Findings {
        var ways = Ways()
        ways.all.append(try await .cway(plan.stage))
        await ways.add("a bare relay") { try await .bareRelay(plan.stage) }
        if plan.withPeers { await ways.addPeers(plan.stage) } else { ways.missing.append(Ways.withoutPeers) }
        defer { ways.end(on: plan.stage) }

        var findings = Findings(notes: ways.missing)
        for way in ways.all {
            let isIntact = try way.carriesIntact()
            findings.checks.append(
                Check(
                    name: "\(way.name): the same bytes arrive, both ways at once", isPassed: isIntact,
                    found: isIntact ? "equal hashes" : "other bytes"))
        }
        for flowCount in [1, 8] {
            for direction in Direction.allCases {
                try measure(ways.all, flowCount, direction, plan, &findings)
            }
        }
        do {
            findings.rows += try await PortalProfile(stage: plan.stage).rows(of: ways.all[0])
        } catch {
            findings.notes.append("the portal's profile is left out: \(error)")
        }
        return findings
    }

    private func measure(
        _ ways: [Way], _ flowCount: Int, _ direction: Direction, _ plan: Plan, _ findings: inout Findings
    ) throws {
        let rounds = plan.rounds(or: 5)
        let turn = plan.turn(ofSeconds: 1, rounds: rounds, atLeast: .milliseconds(250))
        var measured: [[Measurement]] = ways.map { _ in [] }
        for round in 0..<rounds {
            for step in ways.indices {
                let index = (step + round) % ways.count
                measured[index].append(try ways[index].measure(flowCount: flowCount, direction, turn: turn))
            }
        }
        let group = "\(flowCount) flow\(flowCount == 1 ? "" : "s") \(direction)"
        for (way, rounds) in zip(ways, measured) {
            findings.rows.append(row(way, rounds, against: measured[0], group: group))
            guard !rounds.allSatisfy(\.isComplete) else { continue }
            findings.checks.append(
                Check(
                    name: "\(way.name), \(group): all bytes arrive", isPassed: false,
                    found: "some are missing"))
        }
    }

    private func row(_ way: Way, _ rounds: [Measurement], against ours: [Measurement], group: String) -> Row {
        var figures = [Figure("rate", "MB/s", of: rounds.map(\.megabytesPerSecond))]
        for role in Self.roles {
            let values = rounds.compactMap { $0.cpuPerGigabyte[role] }
            if !values.isEmpty { figures.append(Figure("\(role)", "s/GB", values.median)) }
        }
        figures.append(Figure("all", "s/GB", of: rounds.map(\.totalCPUPerGigabyte)))
        for role in Self.roles {
            let values = rounds.compactMap { $0.peakByteCount[role].map(Double.init) }
            if !values.isEmpty { figures.append(Figure("\(role)", "MiB", (values.max() ?? 0) / 1_048_576)) }
        }
        let calls = rounds.compactMap { $0.callsPerGigabyte["portal"] }
        if !calls.isEmpty { figures.append(Figure("portal frames per call", "", 1e9 / 4044 / calls.median)) }
        if ours.first?.megabytesPerSecond != rounds.first?.megabytesPerSecond {
            figures += [
                Figure("×", of: ours.map(\.megabytesPerSecond).divided(by: rounds.map(\.megabytesPerSecond))),
                Figure(
                    "CPU /",
                    of: ours.map(\.totalCPUPerGigabyte).divided(by: rounds.map(\.totalCPUPerGigabyte))),
            ]
        }
        return Row(name: way.name, figures: figures, group: group)
    }
}
