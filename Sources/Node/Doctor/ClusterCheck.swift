internal import Multiserver
internal import NATS
package import NIOCore
internal import Transport

/// Looks at the servers of NATS that a portal's settings name.
package struct ClusterCheck: Sendable {
    /// How long it takes at most until NATS has let somebody in.
    private static let entryTime = Duration.seconds(5)
    /// A stream that nobody has: the answer tells whether there could be one.
    private static let probeName = "cw-doctor"

    private let settings: ClusterSettings

    /// The check of these settings.
    package init(_ settings: ClusterSettings) { self.settings = settings }

    /// What was found: of the settings, then of each server.
    package func findings(on loop: any EventLoop) async -> [Finding] {
        guard settings.isOn else { return [] }
        let plan: ClusterPlan
        do throws(ClusterPlanError) {
            plan = try ClusterPlan(settings)
        } catch {
            return [Finding("cluster", failure: "\(error)")]
        }
        var findings: [Finding] = []
        for server in settings.servers { findings.append(await finding(of: server, on: loop)) }
        if findings.allSatisfy({ $0.verdict == .bad }) {
            findings.append(
                Finding(
                    "cluster", .bad, "none of \(plan.nats.servers.joined(separator: ", ")) can be used",
                    remedy: "start them with JetStream; meanwhile a machine lives by its links"))
        } else if settings.servers.count < 3 {
            findings.append(
                Finding(
                    "cluster", .odd, "with \(settings.servers.count) NATS server(s) there is no fail-over",
                    remedy: "run three, and name them all"))
        }
        return findings
    }

    /// What NATS says to this portal's own user, where settings name a NATS that can be used.
    package func entryFinding() async -> Finding? {
        guard settings.isOn, let plan = try? ClusterPlan(settings) else { return nil }
        let hop = "NATS"
        let (events, continuation) = AsyncStream.makeStream(of: NATSEvent.self)
        do {
            let publisher = EnginePublisher(
                try await Blocking.run { try NATSConnection(plan.nats) { continuation.yield($0) } })
            let limit = Task {
                try await Task.sleep(for: Self.entryTime)
                continuation.finish()
            }
            let isIn = await events.first { $0 == .connected || $0 == .closed } == .connected
            limit.cancel()
            let answer = try await publisher.call { connection in
                guard isIn else {
                    let finding = Finding(hop, failure: connection.lastError ?? "nobody lets this portal in")
                    return Finding(
                        hop, .bad, finding.words, remedy: finding.remedy ?? "look whether its servers run")
                }
                do throws(NATSError) {
                    _ = try connection.stream(Self.probeName, subject: Self.probeName).extent()
                } catch {
                    guard case .noSuchStream = error else { return Finding(hop, failure: "\(error)") }
                }
                return Finding(hop, .good, "lets this portal in, and has JetStream for it")
            }.get()
            try await publisher.close()
            return answer
        } catch {
            return Finding(hop, failure: "\(error)")
        }
    }

    private func finding(of server: ClusterServer, on loop: any EventLoop) async -> Finding {
        let hop = "NATS \(server.address.hostAndPort)"
        do {
            let greeting = try await NATSGreeting.read(from: server, on: loop)
            guard greeting.hasStreams else {
                return Finding(
                    hop, .bad, "it has no JetStream, so that policy has no log",
                    remedy: "start it with -js, or a jetstream block in its settings")
            }
            guard !greeting.hasKnownHoles else {
                return Finding(
                    hop, .odd, "its version \(greeting.version) has known holes",
                    remedy: "run 2.11.16, 2.12.7 or newer; keep it from strangers until then")
            }
            return Finding(hop, .good, "version \(greeting.version), with JetStream")
        } catch {
            return Finding(
                hop, .bad, ErrorWords.text(of: error), remedy: "look whether it runs, and the firewall")
        }
    }
}
