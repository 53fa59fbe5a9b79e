internal import Foundation
internal import Multiserver
internal import PeerSupport
internal import Transport
internal import TypedSodium

/// How much memory a portal needs for those who are there and do nothing.
struct IdleSuite: Suite {
    /// Where the line begins and ends whose slope is told.
    private static let counts = (few: 100, many: 5000)
    /// How many are connected at once.
    private static let atOnce = 32
    /// An endpoint is the end of so many tunnels; a portal allows 4096.
    private static let tunnelsPerEndpoint = 1000
    /// A client opens so many tunnels, to one endpoint; a portal allows 64.
    private static let tunnelsPerClient = 50
    /// How many idle connections of ssh are made: each is two processes.
    private static let sshCount = 12

    let summary = """
        idle: what a portal's memory (PSS) grows by per endpoint that is announced, and per tunnel with a \
        session in it, from 100 to 5,000
        """

    func run(_ plan: Plan) async throws -> Findings {
        var findings = Findings()
        findings.rows.append(try await endpoints(plan.stage))
        findings.rows.append(try await tunnels(plan.stage))
        guard plan.withPeers else {
            findings.notes.append(Ways.withoutPeers)
            return findings
        }
        do {
            findings.rows.append(try await ssh(plan.stage))
        } catch {
            findings.notes.append("OpenSSH is not measured: \(error)")
        }
        return findings
    }

    private func endpoints(_ stage: Stage) async throws -> Row {
        let cway = try await CwayStage(
            stage, servicePort: try LoopbackSocket.freePort(), sources: .connections)
        defer { cway.end() }
        let portal = try cway.portalPeer
        let dialler = Dialler()
        func announce(_ count: Int) async throws -> [NodeLink] {
            try await Dialler.repeating(count, atOnce: Self.atOnce) { _ in
                try await dialler.announce(at: portal).link
            }
        }
        var links = try await announce(Self.counts.few)
        let few = try await memory(of: cway.portal)
        links += try await announce(Self.counts.many - Self.counts.few)
        let many = try await memory(of: cway.portal)
        await dialler.end(links)
        return row("endpoint", few: few, many: many)
    }

    private func tunnels(_ stage: Stage) async throws -> Row {
        let cway = try await CwayStage(
            stage, servicePort: try LoopbackSocket.freePort(), sources: .connections)
        defer { cway.end() }
        let portal = try cway.portalPeer
        let dialler = Dialler()
        // All connections stand before the first look at the memory, and each has a tunnel by then.
        let endpoints = try await Dialler.repeating(
            Self.counts.many / Self.tunnelsPerEndpoint, atOnce: Self.atOnce
        ) { _ in try await dialler.announce(at: portal) }
        let clients = try await Dialler.repeating(
            Self.counts.many / Self.tunnelsPerClient, atOnce: Self.atOnce
        ) { _ in try await dialler.dial(portal).link }
        func open(_ count: Int) async throws {
            _ = try await Dialler.repeating(count, atOnce: Self.atOnce) { index in
                let seat = index % clients.count
                // Each by somebody else: nobody may begin so many sessions in a few seconds.
                return try await clients[seat].openTunnel(
                    to: endpoints[seat % endpoints.count].key, as: .random())
            }
        }
        try await open(Self.counts.few)
        let few = try await memory(of: cway.portal)
        try await open(Self.counts.many - Self.counts.few)
        let many = try await memory(of: cway.portal)
        await dialler.end(clients + endpoints.map(\.link))
        return row("tunnel", few: few, many: many)
    }

    private func ssh(_ stage: Stage) async throws -> Row {
        let ssh = try await SSHStage(stage, .chacha20)
        defer { ssh.end() }
        let before = try await memory(of: ssh.portal)
        var clients: [Child] = []
        defer { stage.end(clients) }
        for _ in 0..<Self.sshCount { clients.append(try ssh.makeIdleConnection()) }
        try await Task.sleep(for: .seconds(2))
        let after = try await memory(of: ssh.portal)
        return Row(
            name: "sshd, connection",
            figures: [
                Figure("each", "KiB", Double(after - before) / 1024 / Double(Self.sshCount)),
                Figure("portal", "MiB", Double(after) / 1_048_576),
            ])
    }

    /// The memory once it has settled, in bytes.
    private func memory(of child: Child) async throws -> Int {
        try await Task.sleep(for: .milliseconds(500))
        return ProcessTable().usage(of: [child.id]).proportionalByteCount
    }

    private func row(_ name: String, few: Int, many: Int) -> Row {
        Row(
            name: name,
            figures: [
                Figure("each", "KiB", Double(many - few) / 1024 / Double(Self.counts.many - Self.counts.few)),
                Figure("portal", "MiB", Double(many) / 1_048_576),
            ])
    }
}
