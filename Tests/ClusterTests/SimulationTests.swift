import Cluster
import ClusterSimulation
import NIOCore
import Testing

@Suite("Cluster: many machines under a simulated network")
struct SimulationTests {
    private func simulation(_ change: (inout ClusterSimulation.Plan) -> Void) throws -> ClusterSimulation {
        var plan = ClusterSimulation.Plan()
        change(&plan)
        let simulation = try ClusterSimulation(plan)
        simulation.start()
        return simulation
    }

    private func ask(_ simulation: ClusterSimulation, _ count: Int) {
        for number in 0..<count {
            simulation.lookUp(number * 7 % simulation.endpoints.count, at: number % simulation.portals.count)
            simulation.run(for: .milliseconds(5))
        }
        simulation.run(for: .seconds(3))
    }

    @Test("every endpoint is found from every machine, and listed where it is open")
    func calm() throws {
        let simulation = try simulation { $0.machineCount = 5 }
        #expect(simulation.detachedCount == 0)
        ask(simulation, 600)
        #expect(simulation.check() == [])
        #expect(simulation.history.lookUps.count == 600)
        #expect(simulation.history.lookUps.allSatisfy { $0.expected.map { .reached($0) } == $0.result })
        #expect(simulation.portals.allSatisfy { $0.machine.listedKeys?.count == 100 })
    }

    @Test("is the same run for the same seed, and another for another")
    func reproducible() throws {
        let runs = try ([5, 5, 6] as [UInt64]).map { seed in
            let simulation = try simulation {
                $0.seed = seed
                $0.network = .rough
            }
            ask(simulation, 100)
            return simulation.traffic.deliveredByteCount
        }
        #expect(runs[0] == runs[1])
        #expect(runs[0] != runs[2])
    }

    @Test("misses nobody when messages are lost, doubled and overtaken", arguments: 1...3)
    func rough(seed: UInt64) throws {
        let simulation = try simulation {
            $0.seed = seed
            $0.network = .rough
        }
        ask(simulation, 500)
        simulation.run(for: .seconds(5))
        #expect(simulation.check() == [])
    }

    @Test(
        "after a machine is killed or unplugged, every endpoint is reachable again within ten seconds",
        arguments: [true, false])
    func death(isKill: Bool) throws {
        let simulation = try simulation { $0.network = .rough }
        if isKill { simulation.kill(1) } else { simulation.unplug(1) }
        let isBack = simulation.run(atMost: .seconds(10)) { $0.detachedCount == 0 }
        #expect(isBack)
        for endpoint in simulation.endpoints.indices {
            simulation.lookUp(endpoint, at: endpoint % 2 * 2)
        }
        simulation.run(for: .seconds(5))
        let reached = simulation.history.lookUps.count {
            if case .reached = $0.result { true } else { false }
        }
        #expect(reached == simulation.endpoints.count)
        simulation.run(for: .seconds(5))
        #expect(simulation.check() == [])
    }

    @Test("goes on over links while NATS is away for two minutes, and comes back without a storm")
    func withoutEngine() throws {
        let simulation = try simulation { _ in }
        let before = simulation.traffic
        simulation.stopEngine(for: .minutes(2))
        ask(simulation, 200)
        simulation.disconnect(3, back: .seconds(1))
        simulation.disconnect(150, back: .seconds(1))
        simulation.run(for: .seconds(130))
        ask(simulation, 200)
        #expect(simulation.check() == [])
        let traffic = simulation.traffic - before
        // Heartbeats and look-ups; not one list.
        #expect(traffic.publishedByteCount < 1_000_000)
    }

    @Test("a NATS that freezes for seconds kills nobody")
    func frozenEngine() throws {
        let simulation = try simulation { _ in }
        simulation.freezeEngine(for: .seconds(5))
        ask(simulation, 300)
        simulation.run(for: .seconds(10))
        #expect(simulation.portals.allSatisfy { $0.machine.machines.count == 3 })
        #expect(simulation.check() == [])
    }

    @Test("lets all endpoints move before it ends, without a gap")
    func drain() throws {
        let simulation = try simulation { $0.endpointCount = 400 }
        simulation.drain(0, during: .seconds(10))
        for number in 0..<900 {
            simulation.lookUp(number % 400, at: 1 + number % 3)
            simulation.run(for: .milliseconds(10))
        }
        simulation.run(for: .seconds(10))
        #expect(simulation.check() == [])
        #expect(!simulation.history.lookUps.contains { $0.result == .missed })
        #expect(simulation.history.elsewhereCount == 0)
    }

    @Test("after a full split the better claim wins, and two processes with one key know of each other")
    func split() throws {
        let simulation = try simulation { _ in }
        simulation.split()
        simulation.run(for: .seconds(10))
        // Open and hidden ones that cross over, while neither half hears the other.
        for endpoint in [1, 2, 3, 120, 121, 122] {
            let portal = simulation.endpoints[endpoint].attachment?.portal ?? 0
            simulation.connect(endpoint, to: (portal + 1) % 4)
        }
        simulation.run(for: .seconds(10))
        simulation.mend()
        simulation.run(for: .seconds(30))
        #expect(simulation.check() == [])
        let twin = simulation.addTwin(of: 150)
        simulation.connect(twin, to: ((simulation.endpoints[150].attachment?.portal ?? 0) + 1) % 4)
        simulation.run(for: .seconds(8))
        #expect(simulation.history.elsewhereCount == 1)
        #expect(simulation.endpoints[150].attachment == nil)
        #expect(simulation.check() == [])
    }

    @Test("keeps its promises under faults of every kind", arguments: 1...4)
    func storm(seed: UInt64) throws {
        let simulation = try simulation {
            $0.seed = seed
            $0.endpointCount = 120
            $0.tokenCount = 12
            $0.network = .rough
        }
        var storm = FaultStorm(seed: seed)
        let violations = storm.run(simulation, rounds: 6)
        #expect(violations == [])
        #expect(simulation.history.lookUps.count > 1_000)
    }
}
