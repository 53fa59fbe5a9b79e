internal import Foundation
internal import Glibc
internal import Multiserver
internal import PeerSupport
internal import TypedSodium

/// One portal on several machines as processes, with real NATS servers: what a look-up, a flow, an announcement and a
/// death cost.
struct ClusterProcesses {
    private static let seconds = 2.0
    private static let announcementCount = 300
    private static let pairCount = 4
    private static let callCount = 500

    let plan: Plan

    func run() async throws -> Findings {
        var findings = Findings()
        for count in [1, 3, 8, 16] { findings.rows.append(try await lookUps(machineCount: count)) }
        try redis(&findings)
        try await inThree(&findings)
        return findings
    }

    // MARK: Look-ups

    /// Misses of many members, which every machine answers: at a rate that leaves room, and as many as there can be.
    ///
    /// No session asks so often that its own bound would be what is measured.
    private func lookUps(machineCount: Int) async throws -> Row {
        var set = ClusterStage.Plan()
        set.machineCount = machineCount
        set.serverCount = machineCount == 1 ? 1 : 3
        return try await ClusterStage.run(set) { stage in
            let crowd = try await ClusterCrowd(stage)
            let seconds = plan.chosenSeconds ?? Self.seconds
            _ = try await crowd.ask(sessionCount: 16, perSecond: 20, during: 0.5)
            let few = try await crowd.ask(sessionCount: 16, perSecond: 20, during: seconds)
            let many = try await crowd.ask(sessionCount: 384, perSecond: 45, during: seconds)
            return Row(
                name: "\(machineCount) \(machineCount == 1 ? "machine" : "machines")",
                figures: [
                    Figure("of few", "/s", few.times.rate), Figure("their p50", "ms", few.times.p50),
                    Figure("their p99", "ms", few.times.p99), Figure("of many", "/s", many.times.rate),
                    Figure("p50 of many", "ms", many.times.p50), Figure("p99 of many", "ms", many.times.p99),
                    Figure("CPU each", "ms", many.cpuSeconds * 1e3 / Double(many.times.values.count)),
                ], group: "look-ups that all machines answer")
        }
    }

    private func redis(_ findings: inout Findings) throws {
        guard let program = Stage.program("redis-server") else {
            findings.notes.append("Redis is not measured: redis-server is not installed")
            return
        }
        let redis = try RedisDirectory(program, stage: plan.stage)
        defer { redis.end() }
        findings.rows += try redis.rows(during: plan.chosenSeconds ?? Self.seconds)
    }

    // MARK: Three machines

    private func inThree(_ findings: inout Findings) async throws {
        try await ClusterStage.run { stage in
            try await flows(stage, &findings)
            try announcements(stage, &findings)
            try await misses(stage, &findings)
            try await strangers(stage, &findings)
            try await deaths(stage, &findings)
        }
    }

    private func flows(_ stage: ClusterStage, _ findings: inout Findings) async throws {
        let service = try LoopbackSocket.listening()
        let endpoint = try stage.cway(
            home: "endpoint",
            [
                "serve", "--service", "bytes=127.0.0.1:\(try service.port)", "--allow-anyone", "--portal",
                stage.address(of: 0),
            ])
        let target = try await endpoint.line()
        var ways: [Way] = []
        for (name, machine) in [("within one machine", 0), ("across two", 1)] {
            let client = try stage.cway(
                home: "client\(machine)",
                [
                    "connect", target, "bytes", "--listen", "127.0.0.1:0", "--portal",
                    stage.address(of: machine),
                ])
            let line = try await client.line()
            guard let port = line.split(separator: ":").last.flatMap({ UInt16($0) }) else { continue }
            let machines = (machine == 0 ? [0] : [0, 1]).compactMap { stage.machine($0)?.id }
            ways.append(
                Way(
                    name: name, entry: port, service: service,
                    roles: [
                        .init(name: "client", others: [client.id]),
                        .init(name: "portal", others: Array(machines.prefix(1))),
                        .init(name: "second", others: Array(machines.dropFirst())),
                        .init(name: "endpoint", others: [endpoint.id]),
                    ]))
        }
        for direction in [Direction.up, .down] {
            let rounds = plan.rounds(or: 3)
            let turn = plan.turn(ofSeconds: 3, rounds: rounds)
            var measured = ways.map { _ in [Measurement]() }
            for round in 0..<rounds {
                for step in ways.indices {
                    let index = (step + round) % ways.count
                    measured[index].append(try ways[index].measure(flowCount: 1, direction, turn: turn))
                }
            }
            let rates = measured.map { $0.map(\.megabytesPerSecond) }
            // A portal's share is what the one machine has where it carries a flow alone.
            let share = measured[0].map { $0.cpuPerGigabyte["portal"] ?? .nan }
            findings.rows += zip(ways, measured).map { way, measured in
                func cpu(_ role: String) -> [Double] { measured.map { $0.cpuPerGigabyte[role] ?? .nan } }
                let hops = zip(cpu("portal"), cpu("second")).map { $0 + $1 }
                return Row(
                    name: way.name,
                    figures: [
                        Figure("rate", "MB/s", of: measured.map(\.megabytesPerSecond)),
                        Figure("/", of: measured.map(\.megabytesPerSecond).divided(by: rates[0])),
                        Figure("CPU of machines", "s/GB", of: hops),
                        Figure(
                            "second hop / a portal's",
                            of: hops.divided(by: share).map { way.name == ways[0].name ? 0 : $0 - 1 }),
                    ], group: "one flow \(direction.rawValue)")
            }
            findings.checks.append(
                Check(
                    name: "all bytes arrive, \(direction.rawValue)",
                    isPassed: measured.joined().allSatisfy(\.isComplete), found: "\(rounds) turns each"))
        }
    }

    // MARK: Announcements

    private func announcements(_ stage: ClusterStage, _ findings: inout Findings) throws {
        let identities = try (0..<Self.announcementCount).map { _ in try Identity.random() }
        for name in ["announce", "announce elsewhere"] {
            let machine = name == "announce" ? 0 : 1
            let (before, start) = (stage.cpuSeconds, ContinuousClock.now)
            let ends = try identities.map { identity in
                let end = try RawEnd(identity, to: stage.id, at: stage.places[machine].port)
                try end.announce()
                return end
            }
            // What follows at the others is part of the cost.
            Thread.sleep(forTimeInterval: 0.5)
            let time = (ContinuousClock.now - start).inSeconds - 0.5
            withExtendedLifetime(ends) {
                findings.rows.append(
                    Row(
                        name: name,
                        figures: [
                            Figure(
                                "CPU of all", "ms",
                                (stage.cpuSeconds - before) * 1e3 / Double(identities.count)),
                            Figure("time, one by one", "ms", time * 1e3 / Double(identities.count)),
                        ], group: "announcements, with their handshakes"))
            }
        }
    }

    // MARK: Misses

    private func misses(_ stage: ClusterStage, _ findings: inout Findings) async throws {
        let hidden = try stage.service()
        _ = try await stage.output(home: "hidden", ["portals", "add", stage.address(of: 0)])
        _ = try await stage.output(home: "hidden", ["invite", "create", "--service", "bytes"])
        let process = try stage.cway(
            home: "hidden", ["serve", "--service", "bytes=127.0.0.1:\(hidden.port)"])
        _ = try await process.line()
        let hiddenID = try await stage.output(home: "hidden", ["id"]).trimmingCharacters(in: .newlines)
        let absent = try Identity.random().publicKey.id
        let denied = try RawEnd(.random(), to: stage.id, at: stage.places[0].port)
        try denied.announce()
        _ = try await stage.output(home: "machine0", ["portal", "deny", denied.id])
        let unknown = try Identity.random().publicKey.bytes.array
        let token = Foundation.Data(unknown).base64EncodedString() + ".token1"
        // In turn, so that no session waits for its own bound.
        let askers = try await stage.members(16).map { member in
            try RawEnd(member, to: stage.id, at: stage.places[1].port)
        }
        let classes = [
            ("absent", absent), ("hidden", hiddenID), ("unknown token", token), ("denied", denied.id),
        ]
        let tries = plan.chosenTries ?? 300
        var random = OracleRandom(seed: 9)
        var times = classes.map { _ in [Double]() }
        let order = (0..<tries).flatMap { _ in classes.indices }.shuffled(using: &random)
        for (number, index) in order.enumerated() {
            let time = try askers[number % askers.count].miss(classes[index].1)
            times[index].append(time.inSeconds * 1e3)
        }
        let controls = TimeSample(times[0])
        for (number, (name, _)) in classes.enumerated() {
            let sample = TimeSample(times[number])
            findings.rows.append(
                Row(
                    name: name, figures: sample.figures("", against: number == 0 ? nil : controls),
                    group: "a miss, \(tries) tries each"))
        }
    }

    // MARK: Strangers

    /// A member's calls across two machines, calm and beside strangers that ask its machine for tokens of chance.
    private func strangers(_ stage: ClusterStage, _ findings: inout Findings) async throws {
        let target = try await AnsweringEnd.start(on: stage, at: 1)
        let callers = try await stage.members(8).map { member in
            try RawEnd(member, to: stage.id, at: stage.places[0].port)
        }
        _ = try callers.slowest(of: Self.callCount, to: target)
        for count in [0, 8, 32] {
            let strangers = Strangers(count, on: stage, at: 0)
            if count > 0 { try await strangers.count.first { $0 > 1_000 ? () : nil } }
            let (start, before) = (ContinuousClock.now, strangers.count.value)
            let time = try callers.slowest(of: Self.callCount, to: target)
            let seconds = (ContinuousClock.now - start).inSeconds
            findings.rows.append(
                Row(
                    name: count == 0 ? "calm" : "beside \(count) strangers",
                    figures: [
                        Figure("p99 of a call", "ms", time.inSeconds * 1e3),
                        Figure("asked meanwhile", "/s", Double(strangers.count.value - before) / seconds),
                    ], group: "a member's call across two machines"))
            strangers.stop()
        }
    }

    // MARK: Deaths

    private func deaths(_ stage: ClusterStage, _ findings: inout Findings) async throws {
        let service = try stage.service()
        let endpoint = try stage.cway(
            home: "mover",
            [
                "serve", "--service", "bytes=127.0.0.1:\(service.port)", "--allow-anyone", "--portal",
                stage.address(),
            ])
        let target = try await endpoint.line()
        var ports: [UInt16] = []
        for number in 0..<Self.pairCount {
            let client = try stage.cway(
                home: "caller\(number)",
                ["connect", target, "bytes", "--listen", "127.0.0.1:0", "--portal", stage.address()])
            let line = try await client.line()
            if let port = line.split(separator: ":").last.flatMap({ UInt16($0) }) { ports.append(port) }
        }
        for (name, signal) in [("killed", SIGKILL), ("frozen", SIGSTOP)] {
            let machine = stage.machine(of: endpoint) ?? 0
            stage.machine(machine)?.signal(signal)
            let times = await withTaskGroup(of: Double.self) { tasks in
                for port in ports { tasks.addTask { await Self.recovery(of: port) } }
                return await tasks.reduce(into: []) { $0.append($1) }
            }
            findings.rows.append(
                Row(
                    name: "its machine \(name)",
                    figures: [
                        Figure("half of \(ports.count) clients", "s", times.median),
                        Figure("the last", "s", times.max() ?? .nan),
                    ], group: "a fresh call to an endpoint"))
            if signal == SIGKILL { try await stage.machine(machine)?.end() }
            stage.machine(machine)?.signal(SIGCONT)
            if signal == SIGKILL { try stage.startMachine(machine) }
            try await stage.isReady(machine)
            try await Task.sleep(for: .seconds(1))
        }
    }

    private static func recovery(of port: UInt16) async -> Double {
        let start = ContinuousClock.now
        while ContinuousClock.now - start < .seconds(30) {
            if await PatternService.fetched(1_000, seed: 1, from: port).isWhole {
                return (ContinuousClock.now - start).inSeconds
            }
            try? await Task.sleep(for: .milliseconds(50))
        }
        return .nan
    }
}
