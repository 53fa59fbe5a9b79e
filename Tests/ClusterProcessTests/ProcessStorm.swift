import ClusterSimulation
import Foundation
import Glibc
import PeerSupport

/// Faults of every kind at a cluster of processes, one after another from a seed, with transfers beside them; and quiet
/// in between, in which every call has to succeed.
struct ProcessStorm {
    /// What can go wrong.
    enum Fault: CaseIterable, Sendable {
        case killMachine, freezeMachine, drainMachine, killServer, freezeServer, wipeServer, stopServers
        case killEndpoints
    }

    /// After any of them everybody is reachable again within this time.
    private static let reachTime = Duration.seconds(10)
    /// So long nothing happens before every call has to succeed.
    private static let quietTime = Duration.seconds(6)
    /// So many bytes everybody gets in a round of calls while a machine or a server is away.
    private static let awayByteCount = 1_000_000

    let population: Population
    private var guests: Guests
    private var random: SimulationRandom
    /// What happened, and how long it took until the last client got through.
    private(set) var story: [(fault: Fault, time: Duration)] = []

    init(_ population: Population, seed: UInt64) async throws {
        self.population = population
        guests = try await Guests(of: population)
        random = SimulationRandom(seed: seed)
    }

    private var stage: ClusterStage { population.stage }

    /// Strikes until the time is over or something is found; each kind once before any comes again.
    mutating func run(for time: Duration) async throws {
        let end = ContinuousClock.now + time
        var waiting: [Fault] = []
        while ContinuousClock.now < end, population.check().violations.isEmpty {
            if waiting.isEmpty { waiting = Fault.allCases.shuffled(using: &random) }
            try await strike(waiting.removeLast())
        }
    }

    private mutating func strike(_ fault: Fault) async throws {
        let machine = Int.random(in: stage.places.indices, using: &random)
        let server = Int.random(in: 0..<stage.engine.count, using: &random)
        let roundCount = Int.random(in: 1...3, using: &random)
        let seed = random.next()
        let load = Task { [population] in await Self.load(population, seed: seed) }
        let (population, stage) = (population, stage)
        @Sendable func recover() async -> Duration {
            await population.recover(within: Self.reachTime, after: "\(fault)", seed: seed)
        }
        let callers = freshCallers(roundCount)
        // While something is away, everybody gets through again and again, by sessions that stand and by fresh ones.
        @Sendable func callAll() async throws {
            for (round, (endpoint, client)) in callers.enumerated() {
                let seed = seed &+ 1_000 * UInt64(round + 1)
                await population.expectAll(byteCount: Self.awayByteCount, seed: seed)
                try await population.call(
                    endpoint, as: client, byteCount: 10_000, seed: seed, mustSucceed: true)
            }
        }
        var time = Duration.zero
        switch fault {
        case .killMachine:
            try await stage.killMachine(machine)
            time = await recover()
            try await callAll()
            try stage.startMachine(machine)
            try await stage.isReady(machine)
        case .freezeMachine:
            stage.machine(machine)?.signal(SIGSTOP)
            time = await recover()
            try await callAll()
            stage.machine(machine)?.signal(SIGCONT)
            try await stage.isReady(machine)
        case .drainMachine:
            stage.machine(machine)?.signal(SIGTERM)
            time = await recover()
            try await stage.machine(machine)?.end()
            try stage.startMachine(machine)
            try await stage.isReady(machine)
        case .killServer, .wipeServer:
            stage.engine.kill(server)
            time = await recover()
            try await stage.isLeft(server)
            try await callAll()
            if fault == .wipeServer { try stage.engine.wipe(server) }
            try stage.engine.start(server)
            try await stage.engine.isReady(server)
        case .freezeServer:
            stage.engine.signal(server, SIGSTOP)
            time = await recover()
            try await stage.isLeft(server)
            try await callAll()
            stage.engine.signal(server, SIGCONT)
        case .stopServers:
            for index in 0..<stage.engine.count { stage.engine.kill(index) }
            time = await recover()
            try await stage.engine(isUp: false)
            try await callAll()
            for index in 0..<stage.engine.count { try stage.engine.start(index) }
            for index in 0..<stage.engine.count { try await stage.engine.isReady(index) }
        case .killEndpoints:
            for endpoint in population.endpoints.shuffled(using: &random).prefix(3) {
                try await population.restart(endpoint)
            }
            time = await recover()
        }
        story.append((fault, time))
        try await guests.come(at: Int.random(in: stage.places.indices, using: &random))
        load.cancel()
        await load.value
        try await Task.sleep(for: Self.quietTime)
        try await population.checkQuiet()
        try await guests.check()
        await population.expectAll(byteCount: 200_000, seed: seed)
        for (endpoint, client) in freshCallers(3) {
            try await population.call(
                endpoint, as: client, byteCount: 100_000, seed: seed, mustSucceed: true)
        }
    }

    /// So many open endpoints, and clients that are to call them by commands of their own.
    private mutating func freshCallers(_ count: Int) -> [(Population.Endpoint, Population.Client)] {
        let open = population.endpoints.filter { !$0.isHidden }
        return (0..<count).compactMap { _ in
            guard let endpoint = open.randomElement(using: &random),
                let client = population.clients.randomElement(using: &random)
            else { return nil }
            return (endpoint, client)
        }
    }

    /// Transfers of all sizes by random clients, which may break and never lie, until it is cancelled.
    private static func load(_ population: Population, seed: UInt64) async {
        await withTaskGroup(of: Void.self) { tasks in
            for worker in 0..<4 {
                tasks.addTask {
                    var random = SimulationRandom(seed: seed &+ UInt64(worker))
                    while !Task.isCancelled, let client = population.clients.randomElement(using: &random) {
                        let byteCount = 1 << Int.random(in: 8...22, using: &random)
                        await population.fetch(client, byteCount: byteCount, seed: random.next())
                        try? await Task.sleep(for: .milliseconds(50))
                    }
                }
            }
        }
    }
}
