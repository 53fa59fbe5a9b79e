internal import Foundation
internal import Histogram
internal import Multiserver
internal import PeerSupport
internal import Synchronization
internal import Transport

/// What an attacker can cost others: memory of the victim, and round trips of an honest pair beside it.
struct HostileSuite: Suite {
    /// How long after an attack memory may take to be given back.
    private static let givingBackTime = Duration.seconds(20)
    /// While one round trip hangs, others of the honest pair would too: one a millisecond is counted, in nanoseconds.
    private static let interval: UInt64 = 1_000_000
    /// What counts as given back, above what was held before, in bytes.
    private static let returnedByteCount = 16 << 20

    let summary = """
        hostile: what attacks cost their makers and their victims (the portal, or the endpoint that the honest pair \
        shares with the attacker), the honest pair's 64 bytes there and back before and during, and how long until \
        the memory is given back
        """

    func run(_ plan: Plan) async throws -> Findings {
        var findings = Findings()
        for attack in Attack.all + (plan.isLong ? Attack.long : []) where isWanted(attack.name, plan) {
            do {
                findings.rows.append(try await measure(attack, plan))
            } catch {
                findings.notes.append("\(attack.name): not measured to its end: \(error)")
            }
        }
        if plan.isLong, isWanted(Storm.name, plan) {
            do {
                let (row, check) = try await Storm.measure(plan)
                findings.rows.append(row)
                findings.checks.append(check)
            } catch {
                findings.checks.append(
                    Check(name: Storm.name, isPassed: false, found: "not measured to its end: \(error)"))
            }
        }
        return findings
    }

    private func isWanted(_ name: String, _ plan: Plan) -> Bool {
        plan.attack.map { name.contains($0) } ?? true
    }

    private func measure(_ attack: Attack, _ plan: Plan) async throws -> Row {
        let service = try LoopbackSocket.listening()
        let cway = try await CwayStage(plan.stage, servicePort: try service.port)
        defer { cway.end() }
        let client = try await cway.makeClient()
        defer { plan.stage.end([client.child]) }
        let way = Way(name: "cway", entry: client.entry, service: service, roles: [])
        let field = Battlefield(portal: try cway.portalPeer, endpoint: try cway.tunnel.target)
        let pingPong = try PingPong(along: way)
        let drain = Drain(service)
        defer { drain.stop() }
        let time = plan.turn(ofSeconds: 4, rounds: 1)
        _ = try pingPong.run(for: .milliseconds(200))
        let quiet = try pingPong.run(for: min(time, .seconds(2)), expecting: Self.interval)

        let watch = MemoryWatch(attack.victim == .portal ? cway.portal : cway.endpoint)
        let outcome = Mutex<Result<Spent, any Error>?>(nil)
        Thread.detachNewThread {
            let result = Result { try attack.run(field) }
            outcome.withLock { $0 = result }
        }
        // Where the honest pair hears nothing for ten seconds it is out: that is the finding.
        let newcomer = Task { await Self.newcomerTime(field, after: time / 2) }
        let during = try? pingPong.run(for: time, expecting: Self.interval)
        field.stop()
        let peak = watch.peakByteCount
        let ended = ContinuousClock.now
        while outcome.withLock({ $0 == nil }), ContinuousClock.now - ended < .seconds(20) {
            try await Task.sleep(for: .milliseconds(5))
        }
        let returned = try await watch.returnTime(
            to: Self.returnedByteCount, within: Self.givingBackTime)
        watch.stop()
        let spent = try outcome.withLock { $0 }?.get() ?? Spent()
        return row(
            attack, spent, watch, peak: peak, quiet: quiet, during: during, returned: returned,
            newcomer: await newcomer.value)
    }

    /// How long a stranger to the attacker takes to the portal and into a session with the endpoint, in its midst.
    private static func newcomerTime(_ field: Battlefield, after delay: Duration) async -> Duration? {
        do {
            try await Task.sleep(for: delay)
            let start = ContinuousClock.now
            let dialler = Dialler()
            let link = try await dialler.dial(field.portal).link
            _ = try await link.openTunnel(to: field.endpoint)
            let time = ContinuousClock.now - start
            await dialler.end([link])
            return time
        } catch {
            return nil
        }
    }

    private func row(
        _ attack: Attack, _ spent: Spent, _ watch: MemoryWatch, peak: Int, quiet: Histogram<UInt64>,
        during: Histogram<UInt64>?, returned: Duration?, newcomer: Duration?
    ) -> Row {
        func milliseconds(_ times: Histogram<UInt64>?, _ percentile: Double) -> Double {
            times.map { Double($0.valueAtPercentile(percentile)) / 1e6 } ?? .infinity
        }
        return Row(
            name: attack.name,
            figures: [
                Figure("held", "MiB", Double(peak - watch.firstByteCount) / 1_048_576),
                Figure("sent", "MB", Double(spent.byteCount) / 1e6),
                Figure("connections", "", Double(spent.connectionCount)),
                Figure("p50 before", "ms", milliseconds(quiet, 50)),
                Figure("during", "ms", milliseconds(during, 50)),
                Figure("p99 before", "ms", milliseconds(quiet, 99)),
                Figure("p99 during", "ms", milliseconds(during, 99)),
                Figure("newcomer", "ms", newcomer.map { $0.inSeconds * 1000 } ?? .infinity),
                Figure("given back", "s", returned.map(\.inSeconds) ?? .infinity),
            ], group: attack.victim.rawValue)
    }
}

/// Takes the connections that an attack makes the endpoint open to the service, and reads what they bring.
private final class Drain: Sendable {
    private let isStopped = Atomic(false)

    init(_ service: LoopbackSocket) {
        Thread.detachNewThread { [self] in
            while !isStopped.load(ordering: .relaxed) {
                guard let socket = try? service.accepted() else { continue }
                Thread.detachNewThread {
                    var buffer = [UInt8](repeating: 0, count: 65_536)
                    while let count = try? socket.read(into: &buffer), count > 0 {}
                }
            }
        }
    }

    func stop() { isStopped.store(true, ordering: .relaxed) }
}
