internal import Node
internal import Watching

/// Reports in words, for people.
struct StatusText {
    /// How many of a list are shown before the rest is counted.
    private static let rowLimit = 20

    /// The time from which ages are counted, in Unix seconds.
    let now: UInt64

    /// What one process has answered.
    func block(for answer: StatusClient.Answer) -> String {
        switch answer {
        case .report(let report): text(of: report)
        case .failure(let socket, let failure): "\(socket.role) (process \(socket.process)): \(failure)"
        }
    }

    /// All that one process says.
    func text(of report: StatusReport) -> String {
        var lines = [heading(report.process)]
        if let portal = report.portal { lines += self.lines(of: portal) }
        if let node = report.node { lines += self.lines(of: node) }
        if !report.errors.isEmpty {
            lines.append("  went wrong lately:")
            for error in report.errors {
                let count = error.count > 1 ? " (\(error.count) times)" : ""
                lines.append("    \(age(error.at)) ago: \(error.text)\(count)")
                if let remedy = error.remedy { lines.append("      remedy: \(remedy)") }
            }
        }
        return lines.map(\.printableLine).joined(separator: "\n")
    }

    private func heading(_ process: ProcessReport) -> String {
        let load = process.loops.map { "\(Int(($0.load * 100).rounded()))%" }.joined(separator: " ")
        let delay = process.loops.map(\.longestDelayMilliseconds).max() ?? 0
        return "\(process.role) (process \(process.id), \(process.version)) for \(age(process.since)): "
            + "\(ByteText.text(process.memoryByteCount)) of memory, \(process.descriptorCount) of "
            + "\(process.descriptorLimit) descriptors, loops at \(load.isEmpty ? "0%" : load), waits up to \(delay) ms"
    }

    // MARK: A portal

    private func lines(of portal: PortalReport) -> [String] {
        var lines = portal.addresses.map { "  at \($0)" }
        lines += [
            "  attached: \(portal.endpointCount) open, \(portal.hiddenEndpointCount) hidden; \(portal.connectionCount) of "
                + "\(portal.connectionLimit) connections, \(portal.tunnelCount) tunnels",
            "  last 10 s: \(rates(portal.lastTenSeconds))", "  last minute: \(rates(portal.lastMinute))",
            "  in all: \(ByteText.text(portal.relayedByteCount)) relayed, \(portal.openedTunnelCount) tunnels, "
                + "\(portal.acceptedCount) connections, \(portal.denialCount) denials",
            "  held for others: \(ByteText.text(portal.heldByteCount)) of \(ByteText.text(portal.heldByteLimit)), "
                + "\(ByteText.text(portal.queuedByteCount)) of it in tunnels",
            "  may announce: \(portal.announcers); may call: \(portal.callers); \(portal.memberCount) members, "
                + "\(portal.deniedCount) denied",
        ]
        lines += allowances(portal.allowances)
        if !portal.limits.isEmpty {
            let met = portal.limits.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            lines.append("  limits met: " + met.map { "\($0.key) \($0.value)×" }.joined(separator: ", "))
        }
        lines += listed(portal.endpoints, of: portal.endpointCount) { endpoint in
            "    \(endpoint.id)\(endpoint.label.map { " \($0)" } ?? "")"
        }.headed("  open:")
        let present = portal.members.filter {
            $0.connectionCount > 0 || $0.monthByteCount > 0 || $0.isUsedUp
        }
        lines += listed(present, of: present.count) { member in
            "    \(member.label.isEmpty ? member.id : member.label): \(member.connectionCount) connections, "
                + "\(member.tunnelCount) tunnels, \(ByteText.text(member.monthByteCount)) this month"
                + (member.isUsedUp ? ", used up" : "")
        }.headed("  members:")
        lines += listed(portal.sources, of: portal.sources.count) { source in
            "    \(source.source): \(ByteText.text(source.monthByteCount)) this month"
                + (source.isUsedUp ? ", used up" : "")
        }.headed("  sources:")
        return lines
    }

    private func allowances(_ allowances: AllowanceReport) -> [String] {
        func words(_ rate: Int?, _ volume: Int?) -> String? {
            let parts = [
                rate.map { "\(ByteText.text($0))/s" }, volume.map { "\(ByteText.text($0)) a month" },
            ].compactMap(\.self)
            return parts.isEmpty ? nil : parts.joined(separator: " and ")
        }
        let member = words(allowances.memberBytesPerSecond, allowances.memberMonthByteLimit)
        let source = words(allowances.sourceBytesPerSecond, allowances.sourceMonthByteLimit)
        return [member.map { "  each member may have \($0)" }, source.map { "  each source may have \($0)" }]
            .compactMap(\.self)
    }

    private func rates(_ rates: RateReport) -> String {
        "\(ByteText.text(Int(rates.bytesPerSecond)))/s, \(rates.tunnelsPerSecond) tunnels/s, "
            + "\(rates.connectionsPerSecond) connections/s"
    }

    // MARK: A node

    private func lines(of node: NodeReport) -> [String] {
        var lines = ["  id \(node.id)"]
        if !node.services.isEmpty { lines.append("  offers \(node.services.joined(separator: ", "))") }
        for portal in node.portals {
            let way = portal.connectedTo.flatMap { portal.address.contains(":\($0)~") ? nil : " over \($0)" }
            lines.append(
                "  \(portal.state) for \(age(portal.since)) at \(portal.address) (\(portal.isOpen ? "open" : "hidden"))"
                    + (way ?? "") + time(portal.roundTripMilliseconds))
            lines += failure(portal.lastFailure)
        }
        for visitor in node.visitors {
            let count = visitor.sessionCount == 1 ? "1 session" : "\(visitor.sessionCount) sessions"
            lines.append(
                "  \(visitor.name ?? visitor.id) (\(visitor.kind)) is here for \(age(visitor.since)), \(count)"
            )
            lines += visitor.streams.map { "    \(words(of: $0))" }
        }
        lines += listed(node.uses, of: node.uses.count) { use in
            "    \(use.name ?? use.id): \(use.service) \(use.count)×, sent \(ByteText.text(use.sentByteCount)), received "
                + "\(ByteText.text(use.receivedByteCount)), until \(age(use.lastEnd)) ago"
        }.headed("  used before:")
        if let forward = node.forward { lines += self.lines(of: forward) }
        return lines
    }

    private func lines(of forward: ForwardReport) -> [String] {
        let target = forward.name ?? forward.id
        let way = forward.portal.map { " through \($0)" } ?? ""
        var lines = [
            "  \(forward.listen ?? "a port") leads to \(forward.service) of \(target): \(forward.state) for "
                + age(forward.since) + way + time(forward.roundTripMilliseconds)
        ]
        lines += failure(forward.lastFailure)
        lines += listed(forward.streams, of: forward.streams.count) { "    \(words(of: $0))" }
        return lines
    }

    private func words(of stream: StreamReport) -> String {
        "\(stream.service) for \(age(stream.since)): sent \(ByteText.text(stream.sentByteCount)), received "
            + ByteText.text(stream.receivedByteCount)
    }

    private func failure(_ failure: FailureReport?) -> [String] {
        failure.map { ["    failed \(age($0.at)) ago: \($0.text)"] } ?? []
    }

    private func time(_ milliseconds: Double?) -> String {
        milliseconds.map { ", answers in \($0) ms" } ?? ""
    }

    // MARK: Words

    private func listed<Entry>(_ entries: [Entry], of count: Int, _ words: (Entry) -> String) -> [String] {
        let shown = entries.prefix(Self.rowLimit).map(words)
        return count > shown.count ? shown + ["    and \(count - shown.count) more"] : shown
    }

    /// How long ago something was, in its largest unit.
    private func age(_ time: UInt64) -> String {
        let seconds = now > time ? now - time : 0
        return switch seconds {
        case ..<120: "\(seconds) s"
        case ..<7_200: "\(seconds / 60) min"
        case ..<172_800: "\(seconds / 3_600) h"
        default: "\(seconds / 86_400) days"
        }
    }
}

extension [String] {
    /// Below a heading, where there is anything.
    fileprivate func headed(_ heading: String) -> [String] { isEmpty ? [] : [heading] + self }
}
