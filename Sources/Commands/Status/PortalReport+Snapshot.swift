internal import Keyring
internal import Multiserver
internal import Node
internal import PortalCore
internal import TypedSodium
internal import Watching

extension PortalReport {
    /// A portal as it was watched.
    init(_ snapshot: PortalWatch.Snapshot) {
        self.init()
        let metrics = snapshot.metrics
        let labels = Dictionary(snapshot.members.map { ($0.member.key.id, $0.member.label) }) { $1 }
        addresses = snapshot.addresses
        endpoints = snapshot.attendance.ids.prefix(Self.listLimit).map {
            EndpointReport(id: $0, label: labels[$0].flatMap { $0.isEmpty ? nil : $0 })
        }
        endpointCount = snapshot.attendance.ids.count
        hiddenEndpointCount = snapshot.attendance.hiddenCount
        connectionCount = metrics.connectionCount
        connectionLimit = snapshot.sizes.connectionCount
        tunnelCount = metrics.tunnelCount
        lastTenSeconds = RateReport(snapshot.lastTenSeconds)
        lastMinute = RateReport(snapshot.lastMinute)
        relayedByteCount = metrics.relayedByteCount
        acceptedCount = metrics.acceptedCount
        openedTunnelCount = metrics.tunnels.values.reduce(0, +)
        denialCount = metrics.denialCount
        limits = metrics.limits.merging(snapshot.connectionLimits) { $0 + $1 }
        heldByteCount = metrics.heldByteCount
        heldByteLimit = snapshot.sizes.poolByteCount
        queuedByteCount = metrics.queuedByteCount
        announcers = snapshot.policy.announcers.word
        callers = snapshot.policy.callers.word
        allowances = AllowanceReport(snapshot.traffic)
        let usages = Dictionary(snapshot.usages.map { ($0.payer, $0) }) { $1 }
        let ofSources = snapshot.usages.filter { if case .source = $0.payer { true } else { false } }
        sources = ofSources.sorted { $0.byteCount > $1.byteCount }.prefix(Self.sourceLimit).compactMap {
            usage in
            guard case .source(let source) = usage.payer else { return nil }
            return SourceReport(source: source, monthByteCount: usage.byteCount, isUsedUp: usage.isUsedUp)
        }
        memberCount = snapshot.members.count
        deniedCount = snapshot.policy.denied.count
        members = snapshot.members.prefix(Self.listLimit).map { entry in
            var report = MemberReport(id: entry.member.key.id, label: entry.member.label)
            report.connectionCount = entry.presence.connectionCount
            report.tunnelCount = entry.presence.tunnelCount
            if let usage = usages[.member(entry.member.key)] {
                (report.monthByteCount, report.isUsedUp) = (usage.byteCount, usage.isUsedUp)
            }
            return report
        }
    }
}

extension RateReport {
    fileprivate init(_ rates: RateWindow.Rates) {
        self.init()
        bytesPerSecond = rates.bytes.rounded()
        tunnelsPerSecond = (rates.tunnels * 100).rounded() / 100
        connectionsPerSecond = (rates.connections * 100).rounded() / 100
    }
}

extension AllowanceReport {
    fileprivate init(_ settings: TrafficSettings) {
        self.init()
        memberBytesPerSecond = settings.member.bytesPerSecond
        memberMonthByteLimit = settings.member.bytesPerMonth
        sourceBytesPerSecond = settings.source.bytesPerSecond
        sourceMonthByteLimit = settings.source.bytesPerMonth
    }
}

extension PortalPolicy.Who {
    fileprivate var word: String {
        switch self {
        case .everyone: "everyone"
        case .members: "members"
        }
    }
}
