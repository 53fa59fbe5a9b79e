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
        memberCount = snapshot.members.count
        deniedCount = snapshot.policy.denied.count
        members = snapshot.members.prefix(Self.listLimit).map { entry in
            var report = MemberReport(id: entry.member.key.id, label: entry.member.label)
            report.connectionCount = entry.presence.connectionCount
            report.tunnelCount = entry.presence.tunnelCount
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

extension PortalPolicy.Who {
    fileprivate var word: String {
        switch self {
        case .everyone: "everyone"
        case .members: "members"
        }
    }
}

extension PortalMetrics {
    /// How often each limit was met, by its kind.
    fileprivate var limits: [String: Int] {
        var limits: [String: Int] = [:]
        func add(_ kind: String, _ counts: [(some RawRepresentable<String>, Int)]) {
            for (name, count) in counts where count > 0 { limits["\(kind): \(name.rawValue)"] = count }
        }
        let lateHandshakes: [Handshake] = [.turnedAway, .timedOut, .displaced]
        let fullPlaces: [ConnectRefusal.Kind] = [.tooManyTunnels, .busy]
        let tokens: [AnnounceRefusal] = [.tooManyTokens, .tooOften]
        add("handshake", lateHandshakes.map { ($0, handshakes[$0] ?? 0) })
        add("tunnel refused", fullPlaces.map { ($0, tunnelRefusals[$0] ?? 0) })
        add("tunnel cut", tunnelCuts.map { ($0.key, $0.value) })
        add("announcement refused", tokens.map { ($0, announcementRefusals[$0] ?? 0) })
        return limits
    }
}
