internal import FoundationEssentials
internal import Node
internal import Watching

/// The machines of a portal, in words and as JSON.
enum ClusterText {
    /// For scripts.
    static func json(of reports: [ClusterReport]) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(reports), as: UTF8.self)
    }

    /// For people.
    static func text(of report: ClusterReport) -> String {
        let state = report.isDraining ? "ends" : report.isServing ? "serves" : "does not serve"
        var lines = ["this machine \(short(report.machine)) at \(report.address): \(state)"]
        lines.append("NATS: \(words(for: report.engine))")
        if let policy = report.policy {
            let reason = policy.reason.map { ": \($0)" } ?? ""
            let urgent = policy.urgentDenialCount
            lines.append(
                "policy: \(policy.standing) at \(policy.index)\(reason)"
                    + (urgent > 0 ? ", \(urgent) denials wait for the log" : ""))
        }
        lines.append(
            "look-ups: \(report.lookUpTotal), \(report.missTotal) found nobody, \(report.lookUpCount) under way"
        )
        if !report.dropped.isEmpty {
            let all = report.dropped.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
            lines.append("messages dropped: \(all.joined(separator: ", "))")
        }
        let head = lines.map(\.printableLine).joined(separator: "\n")
        guard !report.machines.isEmpty else { return head + "\nno other machine answers" }
        var table = TextTable(
            "MACHINE", "ADDRESS", "STATE", "LINK", "NATS", "CONNECTIONS", "TUNNELS", "RATE", "ROUND TRIP",
            "CLOCK",
            "POLICY")
        for machine in report.machines { add(machine, to: &table) }
        return head + "\n\n" + table.text
    }

    private static func add(_ machine: MachineReport, to table: inout TextTable) {
        let state =
            machine.standing != "live"
            ? machine.standing : machine.isDraining ? "ends" : machine.isServing ? "serves" : "begins"
        table.add(
            short(machine.machine), machine.address, state, machine.isLinked ? "yes" : "no",
            machine.hasEngine ? "yes" : "no", "\(machine.connectionCount)", "\(machine.tunnelCount)",
            "\(ByteText.text(machine.bytesPerSecond))/s",
            machine.roundTripMilliseconds.map { "\($0) ms" } ?? "",
            machine.clockMilliseconds.map { "\($0 > 0 ? "+" : "")\($0) ms" } ?? "", "\(machine.policyIndex)")
    }

    private static func words(for engine: EngineReport) -> String {
        let servers = engine.servers.joined(separator: ", ")
        guard engine.isConnected else {
            return "away" + (engine.complaint.map { " (\($0))" } ?? "") + ", of \(servers)"
        }
        return "at \(engine.server ?? "one") of \(servers)"
    }

    /// How far apart the clocks of two machines may be before their owner should look, in milliseconds.
    private static let clockMilliseconds = 2_000

    /// What the doctor says of a machine that runs.
    static func finding(of report: ClusterReport) -> Finding {
        let hop = "machine \(short(report.machine))"
        let troubles = troubles(of: report)
        guard troubles.isEmpty else { return Finding(hop, failure: troubles.joined(separator: "; ")) }
        let unlinked = report.machines.filter { !$0.isLinked }
        guard unlinked.isEmpty else {
            let addresses = unlinked.map(\.address.printableLine).joined(separator: ", ")
            return Finding(
                hop, .odd, "there is no link to \(addresses)",
                remedy: "look whether they run, and at the firewall between the machines")
        }
        let late = report.machines.compactMap(\.clockMilliseconds).max { abs($0) < abs($1) } ?? 0
        guard abs(late) < Self.clockMilliseconds else {
            return Finding(
                hop, .odd, "another machine's clock is \(late) ms off this one's",
                remedy: "run NTP on all of them: from 10 s on a machine does not serve")
        }
        return Finding(hop, .good, "serves, with links to \(report.machines.count) others")
    }

    /// What does not work.
    static func troubles(of report: ClusterReport) -> [String] {
        var troubles: [String] = []
        if !report.isServing { troubles.append("this machine does not serve: see its log") }
        if !report.engine.isConnected, !report.machines.contains(where: \.isLinked) {
            troubles.append("it has neither NATS nor a link: look at the servers of NATS")
        }
        if let policy = report.policy, policy.standing == "frozen" {
            troubles.append("its policy is frozen: \(policy.reason ?? "see its log")")
        }
        return troubles
    }

    /// A name that is long enough to tell machines apart.
    private static func short(_ machine: String) -> String { String(machine.prefix(8)) }
}
