internal import Glibc
internal import Histogram
internal import Multiserver
internal import PeerSupport
internal import Synchronization
internal import Transport

/// How fast connections are made.
struct HandshakeSuite: Suite {
    /// How many are under way at once where the rate is measured.
    private static let atOnce = 8

    let summary = """
        handshake: connections to a portal, and sessions with an endpoint through it; ms one after the \
        other, rate 8 at a time, CPU ms per connection
        """

    func run(_ plan: Plan) async throws -> Findings {
        let cway = try await CwayStage(plan.stage, servicePort: try LoopbackSocket.freePort())
        defer { cway.end() }
        let ssh: SSHStage?
        var findings = Findings()
        do {
            ssh = plan.withPeers ? try await SSHStage(plan.stage, .chacha20) : nil
            if !plan.withPeers { findings.notes.append(Ways.withoutPeers) }
        } catch {
            ssh = nil
            findings.notes.append("OpenSSH is not measured: \(error)")
        }
        defer { ssh?.end() }
        findings.notes.append(
            "processes: a whole `cway call` or `ssh`, from its start to its end, as a user meets it")

        let dialler = Dialler(threadCount: 2)
        let callers = try await Callers(plan.stage)
        for isNested in [false, true] {
            findings.rows += try await measure(cway, ssh, dialler, callers, isNested: isNested, plan)
        }
        await dialler.end([])
        return findings
    }

    private func measure(
        _ cway: CwayStage, _ ssh: SSHStage?, _ dialler: Dialler, _ callers: Callers, isNested: Bool,
        _ plan: Plan
    ) async throws -> [Row] {
        let rounds = plan.rounds(or: 5)
        let turn = plan.turn(ofSeconds: 1, rounds: rounds)
        let connect = try connector(cway, dialler, isNested: isNested)
        var inProcess = ConnectScore()
        var asProcess = ConnectScore()
        var ofSSH = ConnectScore()
        for _ in 0..<rounds {
            try await inProcess.addRate(of: cway, for: turn, atOnce: Self.atOnce, connect)
            try await inProcess.addTimes(for: turn, connect)
            try await asProcess.addTimes(for: turn) { try await callers.call(cway, isNested: isNested) }
            if let ssh {
                try await ofSSH.addTimes(for: turn) { try await ssh.connectOnce(isNested: isNested) }
            }
        }
        let group = isNested ? "a session with an endpoint, through a portal" : "a connection to a portal"
        var rows = [
            inProcess.row("cway, in one process", group: group),
            asProcess.row("cway call, processes", group: group),
        ]
        if ssh != nil {
            var row = ofSSH.row("ssh true, processes", group: group)
            row.figures.append(Figure("×", of: ofSSH.medians.divided(by: asProcess.medians)))
            row.figures.append(Figure("× in one process", of: ofSSH.medians.divided(by: inProcess.medians)))
            rows.append(row)
        }
        return rows
    }

    private func connector(
        _ cway: CwayStage, _ dialler: Dialler, isNested: Bool
    ) throws -> @Sendable () async throws -> Void {
        let (portal, tunnel) = (try cway.portalPeer, try cway.tunnel)
        return {
            let (link, _) = try await dialler.dial(portal)
            if isNested { _ = try await link.openTunnel(to: tunnel.target) }
            await link.close()
        }
    }
}

/// People who call one after the other, by a process each time.
///
/// An endpoint lets nobody begin more than two sessions a second in the long run.
private final class Callers: Sendable {
    private static let count = 32

    private let stage: Stage
    private let homes: [String]
    private let turn = Atomic(0)

    /// Makes their homes, so that nobody's first call takes the time for that.
    init(_ stage: Stage) async throws {
        self.stage = stage
        homes = try (0..<Self.count).map { _ in try stage.makeFolder("caller") }
        for home in homes { try await stage.run(try stage.cway(), ["id", "--home", home]) }
    }

    func call(_ cway: CwayStage, isNested: Bool) async throws {
        let address = isNested ? [cway.tunnelAddress, "--portal", cway.portalAddress] : [cway.portalAddress]
        let home = homes[turn.wrappingAdd(1, ordering: .relaxed).oldValue % homes.count]
        try await stage.run(
            try stage.cway(), ["call"] + address + ["tunnel.ping", "--async", "--home", home])
    }
}

/// What the making of one kind of connection was like.
private struct ConnectScore {
    private var times = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
    private(set) var medians: [Double] = []
    private var rates: [Double] = []
    private var cpu: [String: [Double]] = [:]

    /// One after the other.
    mutating func addTimes(for turn: Duration, _ connect: () async throws -> Void) async throws {
        var round = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
        let clock = ContinuousClock()
        let end = clock.now + turn
        repeat {
            let time = try await clock.measure { try await connect() }
            round.record(time.wholeNanoseconds)
        } while clock.now < end
        medians.append(Double(round.valueAtPercentile(50)) / 1e6)
        times.add(round)
    }

    /// Several at once, and what they cost each side.
    mutating func addRate(
        of cway: CwayStage, for turn: Duration, atOnce: Int,
        _ connect: @escaping @Sendable () async throws -> Void
    ) async throws {
        let clock = ContinuousClock()
        let before = (usage: Self.usage(of: cway), time: clock.now)
        let end = clock.now + turn
        let counts = try await Dialler.repeating(atOnce, atOnce: atOnce) { _ in
            var count = 0
            repeat {
                try await connect()
                count += 1
            } while clock.now < end
            return count
        }
        let count = Double(counts.reduce(0, +))
        rates.append(count / (clock.now - before.time).inSeconds)
        for (side, seconds) in Self.usage(of: cway) {
            cpu[side, default: []].append((seconds - (before.usage[side] ?? 0)) / count * 1000)
        }
    }

    /// CPU seconds so far of the three sides; the client is this process.
    private static func usage(of cway: CwayStage) -> [String: Double] {
        let table = ProcessTable()
        return [
            "client": table.ownCPUSeconds,
            "portal": table.usage(of: [cway.portal.id], withMemory: false).cpuSeconds,
            "endpoint": table.usage(of: [cway.endpoint.id], withMemory: false).cpuSeconds,
        ]
    }

    func row(_ name: String, group: String) -> Row {
        var figures = [
            Figure("time", "ms", of: medians), Figure("p99", "ms", Double(times.valueAtPercentile(99)) / 1e6),
        ]
        if !rates.isEmpty { figures.append(Figure("rate", "1/s", of: rates)) }
        for side in ["client", "portal", "endpoint"] {
            if let values = cpu[side] { figures.append(Figure("\(side) CPU", "ms", values.median)) }
        }
        return Row(name: name, figures: figures, group: group)
    }
}

extension ProcessTable {
    /// What this process has used so far, what it has started left out.
    var ownCPUSeconds: Double {
        var usage = timespec()
        unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &usage)
        return Double(usage.tv_sec) + Double(usage.tv_nsec) / 1e9
    }
}
