internal import CMalloc
internal import ClusterSimulation
internal import NIOCore
internal import PortalCore

/// Many machines of one portal, simulated: the real state machines and directories under a clock and a network that are
/// made up, in this one process.
struct SimulatedCluster {
    private static let seconds = 30
    private static let lookUpCount = 2_000

    let size: ClusterPlan

    func run() throws -> Findings {
        var findings = Findings()
        let began = ContinuousClock.now
        let simulation = try ClusterSimulation(simulationPlan)
        simulation.start(endpointsPerSecond: max(20_000, size.endpointCount / 20))
        traffic("in rest", simulation, &findings) { $0.run(for: .seconds(Int64(Self.seconds))) }
        traffic("while tokens change", simulation, &findings) { passDay($0) }
        lookUps("look-ups in rest", simulation, &findings)
        measureTables(of: simulation.portals[0], simulation, &findings)
        death("one machine unplugged", [0], simulation, &findings, unplugged: true)
        let third = Array(1...max(1, size.machineCount / 3))
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
        let seconds = (ContinuousClock.now - began).inSeconds
        findings.notes.append(
            "all of it took \(Figure.text(seconds)) s and, of this process, "
                + "\(Figure.text(Double(ProcessTable.ownPeakByteCount) / 1e9)) GB at most")
        return findings
    }

    /// What the tables of a machine take, by giving them back: it ends right afterwards.
    private func measureTables(
        of portal: SimulatedPortal, _ simulation: ClusterSimulation, _ findings: inout Findings
    ) {
        let tokenCount = portal.directory.tokenCount
        let endpointCount = simulation.endpoints.count { $0.attachment?.portal == portal.index }
        let sizes = portal.dropTables(measuring: { Int(clamping: shim_malloc_used()) }, at: simulation.now)
        findings.rows.append(
            Row(
                name: "\(size.machineCount) machines, \(size.endpointCount) endpoints",
                figures: [
                    Figure("tokens", "MB", Double(sizes.directory) / 1e6),
                    Figure("claims and lists", "MB", Double(sizes.machine) / 1e6),
                    Figure("endpoints", "", Double(endpointCount)), Figure("tokens", "", Double(tokenCount)),
                    Figure("a token", "B", Double(sizes.directory) / Double(max(1, tokenCount))),
                    Figure("a claim", "B", Double(sizes.machine) / Double(max(1, endpointCount))),
                ], group: "tables of each machine"))
    }

    private var simulationPlan: ClusterSimulation.Plan {
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
