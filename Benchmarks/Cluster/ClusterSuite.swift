internal import ClusterSimulation
internal import NIOCore
internal import PortalCore

/// Many machines of one portal, simulated: the real state machines and directories under a clock and a network that are
/// made up, in this one process.
struct ClusterSuite: Suite {
    private static let seconds = 30
    private static let lookUpCount = 2_000

    let summary = """
        cluster, simulated: messages and bytes a second of all machines together; times are those of the simulated \
        network, 0.1 to 0.4 ms a message; memory is this process's for each machine, directory included
        """

    func run(_ plan: Plan) async throws -> Findings {
        var findings = Findings()
        guard plan.cluster.isSimulated else {
            findings.notes.append(
                "nothing is measured without --simulate: what runs as processes comes with the program's part"
            )
            return findings
        }
        let simulation = try ClusterSimulation(simulationPlan(plan.cluster))
        let before = ProcessTable.ownByteCount
        simulation.start(endpointsPerSecond: max(20_000, plan.cluster.endpointCount / 20))
        let size = "\(plan.cluster.machineCount) machines, \(plan.cluster.endpointCount) endpoints"
        findings.rows.append(
            Row(
                name: size,
                figures: [
                    Figure(
                        "memory", "MB",
                        Double(ProcessTable.ownByteCount - before) / 1e6 / Double(plan.cluster.machineCount)),
                    Figure("endpoints", "", Double(plan.cluster.endpointCount / plan.cluster.machineCount)),
                    Figure(
                        "tokens", "",
                        Double(simulation.portals.reduce(0) { $0 + $1.directory.tokenCount })
                            / Double(plan.cluster.machineCount)),
                ], group: "each machine"))
        traffic("in rest", simulation, &findings) { $0.run(for: .seconds(Int64(Self.seconds))) }
        traffic("while tokens change", simulation, &findings) { passDay($0) }
        lookUps("look-ups in rest", simulation, &findings)
        death("one machine unplugged", [0], simulation, &findings, unplugged: true)
        let third = Array(1...max(1, plan.cluster.machineCount / 3))
        death("a third killed", third, simulation, &findings, unplugged: false)
        lookUps("look-ups afterwards", simulation, &findings)
        _ = simulation.run(atMost: .seconds(120)) { $0.now - $0.history.quietSince >= .seconds(5) }
        let violations = simulation.check()
        findings.checks.append(
            Check(
                name: "the history keeps its promises", isPassed: violations.isEmpty,
                found: violations.first?.description ?? "\(simulation.history.lookUps.count) look-ups"))
        findings.notes.append(
            "beyond some 50 machines each look-up costs more than a directory would: every machine answers each"
        )
        return findings
    }

    private func simulationPlan(_ size: ClusterPlan) -> ClusterSimulation.Plan {
        var plan = ClusterSimulation.Plan()
        plan.machineCount = size.machineCount
        plan.endpointCount = size.endpointCount
        plan.hiddenPart = 1 - min(0.1, 10_000 / Double(size.endpointCount))
        plan.isSealed = false
        return plan
    }

    /// The first six hours of a day in which all announce new tokens, as many a second, for half a minute.
    private func passDay(_ simulation: ClusterSimulation) {
        let perSecond = max(1, simulation.endpoints.count / 21_600)
        for second in 0..<Self.seconds {
            for number in 0..<perSecond {
                simulation.passDay(of: (second * perSecond + number) % simulation.endpoints.count)
            }
            simulation.run(for: .seconds(1))
        }
    }

    private func traffic(
        _ name: String, _ simulation: ClusterSimulation, _ findings: inout Findings,
        _ body: (ClusterSimulation) -> Void
    ) {
        let (start, before) = (simulation.now, simulation.traffic)
        body(simulation)
        findings.rows.append(
            Row(
                name: name, figures: figures(simulation.traffic - before, during: simulation.now - start),
                group: "traffic"))
    }

    private func figures(_ traffic: Traffic, during time: TimeAmount) -> [Figure] {
        let seconds = Double(time.nanoseconds) / 1e9
        return [
            Figure("published", "/s", Double(traffic.publicationCount) / seconds),
            Figure("published", "kB/s", Double(traffic.publishedByteCount) / 1e3 / seconds),
            Figure("delivered", "/s", Double(traffic.deliveryCount) / seconds),
            Figure("delivered", "kB/s", Double(traffic.deliveredByteCount) / 1e3 / seconds),
            Figure("on links", "/s", Double(traffic.linkMessageCount) / seconds),
            Figure("on links", "kB/s", Double(traffic.linkByteCount) / 1e3 / seconds),
        ]
    }

    private func lookUps(_ name: String, _ simulation: ClusterSimulation, _ findings: inout Findings) {
        let (first, before) = (simulation.history.lookUps.count, simulation.traffic)
        let alive = simulation.portals.filter(\.isAlive)
        for number in 0..<Self.lookUpCount {
            let portal = alive[number % alive.count]
            simulation.lookUp(number &* 7_919 % simulation.endpoints.count, at: portal.index)
            simulation.run(for: .milliseconds(5))
        }
        simulation.run(for: .seconds(2))
        let made = simulation.history.lookUps[first...]
        let times = made.compactMap { lookUp -> Double? in
            guard case .reached(let portal) = lookUp.result, portal != lookUp.asker else { return nil }
            return Double(lookUp.time.nanoseconds) / 1e6
        }.sorted()
        let missed = made.count { if case .reached = $0.result { false } else { true } }
        let traffic = simulation.traffic - before
        findings.rows.append(
            Row(
                name: name,
                figures: [
                    Figure("p50", "ms", times.isEmpty ? .nan : times[times.count / 2]),
                    Figure("p99", "ms", times.isEmpty ? .nan : times[times.count * 99 / 100]),
                    Figure("not reached", "", Double(missed)),
                    Figure(
                        "delivered", "kB each, with heartbeats",
                        Double(traffic.deliveredByteCount) / 1e3 / Double(Self.lookUpCount)),
                ], group: "look-ups"))
    }

    private func death(
        _ name: String, _ victims: [Int], _ simulation: ClusterSimulation, _ findings: inout Findings,
        unplugged: Bool
    ) {
        let (start, before) = (simulation.now, simulation.traffic)
        let moved = simulation.endpoints.count { endpoint in
            endpoint.attachment.map { victims.contains($0.portal) } ?? false
        }
        for victim in victims { if unplugged { simulation.unplug(victim) } else { simulation.kill(victim) } }
        let isBack = simulation.run(atMost: .seconds(300)) { $0.detachedCount == 0 }
        let time = simulation.now - start
        findings.rows.append(
            Row(
                name: name,
                figures: [
                    Figure("last reachable", "s", isBack ? Double(time.nanoseconds) / 1e9 : .nan),
                    Figure("endpoints", "", Double(moved)),
                ] + figures(simulation.traffic - before, during: time), group: "deaths"))
        simulation.run(for: .seconds(10))
    }
}

/// How large a simulated cluster is.
struct ClusterPlan: Sendable {
    /// Whether one is simulated at all.
    var isSimulated: Bool
    /// How many machines it has.
    var machineCount: Int
    /// How many endpoints, each with 48 tokens where it is hidden.
    var endpointCount: Int
}
