import Cluster
import NIOCore

/// Faults of every kind at random times, from a seed, with look-ups and moves of endpoints beside them; and quiet in
/// between, in which everything has to be in order again.
package struct FaultStorm: Sendable {
    /// What can go wrong.
    package enum Fault: CaseIterable, Sendable {
        case kill, unplug, freeze, cutOnEngine, cutOnLink, split, freezeEngine, stopEngine, drain, churn, twin
        case starve, setClock, strayClock, replay
    }

    /// The faults so far, in order.
    package private(set) var struck: [Fault] = []

    private let faults: [Fault]
    private var random: SimulationRandom

    /// Faults of these kinds.
    package init(seed: UInt64, faults: [Fault] = Fault.allCases) {
        self.faults = faults
        random = SimulationRandom(seed: seed)
    }

    /// One after another: a fault, time to recover, and a look at everything; the findings.
    package mutating func run(_ simulation: ClusterSimulation, rounds: Int) -> [History.Violation] {
        for _ in 0..<rounds {
            guard let fault = faults.randomElement(using: &random) else { break }
            strike(fault, simulation)
            ask(simulation, for: 20)
            simulation.mend()
            // Every endpoint that was told to stay away comes back, and all is told to all.
            ask(simulation, for: 20)
            _ = simulation.run(atMost: .seconds(120)) { simulation in
                simulation.now - simulation.history.quietSince >= .seconds(5)
            }
            guard simulation.check().isEmpty else { break }
        }
        return simulation.check()
    }

    /// Half of the machines, at least one, at most all but one.
    private mutating func victim(_ simulation: ClusterSimulation) -> Int {
        let alive = simulation.portals.filter { $0.isRunning(at: simulation.now) }.map(\.index)
        return alive.randomElement(using: &random) ?? 0
    }

    private mutating func strike(_ fault: Fault, _ simulation: ClusterSimulation) {
        let victim = victim(simulation)
        let other = self.victim(simulation)
        let seconds = Int64.random(in: 2...15, using: &random)
        let stopSeconds = Int64.random(in: 5...30, using: &random)
        struck.append(fault)
        switch fault {
        case .kill:
            simulation.kill(victim)
            simulation.later(.seconds(seconds)) { $0.addPortal(inPlaceOf: victim) }
        case .unplug:
            simulation.unplug(victim)
            simulation.later(.seconds(seconds)) { $0.addPortal() }
        case .freeze: simulation.freeze(victim, for: .seconds(stopSeconds))
        case .cutOnEngine: simulation.cut(from: victim, to: other, .engine)
        case .cutOnLink: simulation.cut(from: victim, to: other, .link)
        case .split: simulation.split()
        case .freezeEngine: simulation.freezeEngine(for: .seconds(stopSeconds))
        case .stopEngine: simulation.stopEngine(for: .seconds(seconds))
        case .drain:
            simulation.drain(victim, during: .seconds(10))
            simulation.addPortal()
        case .churn:
            for _ in 0..<20 {
                let endpoint = Int.random(in: 0..<simulation.endpoints.count, using: &random)
                simulation.disconnect(
                    endpoint, back: .milliseconds(Int64.random(in: 1...3_000, using: &random)))
            }
        case .twin:
            let endpoint = Int.random(in: 0..<simulation.endpoints.count, using: &random)
            let twin = simulation.addTwin(of: endpoint)
            simulation.connect(twin)
            simulation.later(.seconds(15)) { $0.retire(twin) }
        case .starve: simulation.starve(victim, for: .seconds(seconds))
        case .setClock: simulation.setClock(of: victim, by: random.chance(0.5) ? .hours(1) : .hours(-1))
        case .strayClock: simulation.addStrayClock(ahead: random.chance(0.5), for: .seconds(seconds + 10))
        case .replay: simulation.replay()
        }
    }

    /// Look-ups of random endpoints at random machines, for so many seconds.
    private mutating func ask(_ simulation: ClusterSimulation, for seconds: Int) {
        for _ in 0..<seconds * 10 {
            for _ in 0..<3 {
                let endpoint = Int.random(in: 0..<simulation.endpoints.count, using: &random)
                simulation.lookUp(endpoint, at: Int.random(in: 0..<simulation.portals.count, using: &random))
            }
            simulation.run(for: .milliseconds(100))
        }
    }
}
