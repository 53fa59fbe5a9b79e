package import Keyring
internal import Logging
internal import NIOCore
package import PortalCore
internal import Synchronization
internal import Transport
internal import TypedSodium

/// What is known of a portal while it runs, for those who look after it.
///
/// Whoever runs the portal makes one and hands it over; before the portal stands, and after its end, there is nothing.
package final class PortalWatch: Sendable {
    /// The portal at a moment.
    package struct Snapshot: Sendable {
        /// Its addresses.
        package var addresses: [String]
        /// The sizes that were decided at the start.
        package var sizes: ProcessSizes
        /// What it holds, and what has happened.
        package var metrics: PortalMetrics
        /// The ids that are announced, and how many connections have announced tokens.
        package var attendance: (ids: [String], hiddenCount: Int)
        /// What went on in the last ten seconds.
        package var lastTenSeconds: RateWindow.Rates
        /// What went on in the last minute.
        package var lastMinute: RateWindow.Rates
        /// How often connections met a limit where they are accepted, by its kind.
        package var connectionLimits: [String: Int]
        /// Who may do what.
        package var policy: PortalPolicy
        /// What each payer may have.
        package var traffic: TrafficSettings
        /// What each has had in this month.
        package var usages: [TrafficUsage]
        /// Its members, with what each has there now.
        package var members: [(member: Member, presence: PortalPresence)]
    }

    private struct Running {
        let portal: Portal
        let addresses: [String]
        let sizes: ProcessSizes
        let members: @Sendable () async -> [Member]
    }

    private struct State {
        var running: Running?
        var window = RateWindow()
        var connectionLimits: [String: Int] = [:]
    }

    /// How often it is said which limits were met, in seconds.
    private static let limitInterval = 60

    private let state = Mutex(State())

    /// A watch of a portal that does not run yet.
    package init() {}

    /// The portal of this moment; `nil` where it does not run.
    package func snapshot() async -> Snapshot? {
        let (running, samples, limits) = state.withLock { ($0.running, $0.window, $0.connectionLimits) }
        guard let running else { return nil }
        var window = samples
        window.add(Self.sample(of: running.portal, at: .now()))
        let members = await running.members()
        let presences = running.portal.presences(of: Set(members.map(\.key)))
        return Snapshot(
            addresses: running.addresses, sizes: running.sizes, metrics: running.portal.metrics,
            attendance: running.portal.attendance, lastTenSeconds: window.rates(over: .seconds(10)),
            lastMinute: window.rates(over: .seconds(60)), connectionLimits: limits,
            policy: running.portal.policy, traffic: running.portal.traffic.settings,
            usages: running.portal.traffic.usages,
            members: members.map { ($0, presences[$0.key] ?? PortalPresence()) })
    }

    // MARK: What the portal's service says

    /// The portal listens.
    func began(
        _ portal: Portal, at addresses: [String], sizes: ProcessSizes,
        members: @escaping @Sendable () async -> [Member]
    ) {
        state.withLock {
            $0.running = Running(portal: portal, addresses: addresses, sizes: sizes, members: members)
        }
    }

    /// The portal is closed.
    func ended() { state.withLock { $0.running = nil } }

    /// A limit was met where connections are accepted.
    func note(_ event: PortalServerEvent) {
        let kind: String? =
            switch event {
            case .waitsForPlace: "connection: no place"
            case .turnedAway: "connection: closed when it came"
            case .noProxyHeader: "connection: no PROXY header"
            case .listener(.paused): "accepting: paused"
            case .listener(.notAccepted), .portal: nil
            }
        guard let kind else { return }
        state.withLock { $0.connectionLimits[kind, default: 0] += 1 }
    }

    /// Looks at the portal once a second, until the task is cancelled; says once a minute which limits were met.
    func run(_ logger: Logger) async {
        var (second, said) = (0, limits)
        while !Task.isCancelled {
            takeSample(at: .now())
            second += 1
            if second.isMultiple(of: Self.limitInterval) {
                let limits = limits
                let met = limits.compactMap { kind, count in
                    count > said[kind] ?? 0 ? "\(kind) \(count - (said[kind] ?? 0))" : nil
                }
                if !met.isEmpty {
                    logger.notice(
                        "limits were met in the last minute",
                        metadata: ["limits": "\(met.sorted().joined(separator: ", "))"])
                }
                said = limits
            }
            try? await Task.sleep(for: .seconds(1))
        }
    }

    /// How often each limit was met since the portal began, by its kind.
    private var limits: [String: Int] {
        let (portal, connectionLimits) = state.withLock { ($0.running?.portal, $0.connectionLimits) }
        return (portal?.totals.limits ?? [:]).merging(connectionLimits) { $0 + $1 }
    }

    private func takeSample(at now: NIODeadline) {
        guard let portal = state.withLock(\.running)?.portal else { return }
        let sample = Self.sample(of: portal, at: now)
        state.withLock { $0.window.add(sample) }
    }

    private static func sample(of portal: Portal, at now: NIODeadline) -> RateWindow.Sample {
        let totals = portal.totals
        var sample = RateWindow.Sample(at: now)
        sample.byteCount = totals.relayedByteCount
        sample.tunnelCount = totals.tunnels.values.reduce(0, +)
        sample.connectionCount = totals.acceptedCount
        return sample
    }
}
