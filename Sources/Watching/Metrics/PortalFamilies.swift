package import PortalCore

/// A portal's numbers as metrics.
package enum PortalFamilies {
    /// All of them; those that tell of people as exactly as is wanted.
    package static func families(of metrics: PortalMetrics, _ blur: Blur) -> [MetricFamily] {
        moment(metrics, blur) + connections(metrics, blur) + tunnels(metrics, blur)
    }

    private static func moment(_ metrics: PortalMetrics, _ blur: Blur) -> [MetricFamily] {
        [
            .gauge(
                "cway_portal_connections", "Connections that stand, handshakes included.",
                Double(blur.people(metrics.connectionCount))),
            .gauge(
                "cway_portal_announced", "What is announced: ids of open endpoints, tokens of hidden ones.",
                by: "manner",
                [
                    ("open", Double(blur.people(metrics.announcedCount))),
                    ("hidden", Double(blur.people(metrics.tokenCount))),
                ]),
            .gauge(
                "cway_portal_tunnels", "Tunnels that have at least one end.",
                Double(blur.people(metrics.tunnelCount))),
            .gauge(
                "cway_portal_queued_bytes", "What waits to be sent on in tunnels, in bytes of memory.",
                Double(blur.bytes(metrics.queuedByteCount))),
            .gauge(
                "cway_portal_held_bytes", "What is held for peers, that drawn ahead included.",
                Double(blur.bytes(metrics.heldByteCount))),
            .gauge(
                "cway_portal_held_limit_bytes", "What may be held for all peers together.",
                Double(metrics.holdableByteCount)),
        ]
    }

    private static func connections(_ metrics: PortalMetrics, _ blur: Blur) -> [MetricFamily] {
        [
            .counter(
                "cway_portal_connections_accepted", "Connections that were accepted.",
                Double(blur.people(metrics.acceptedCount))),
            .counter(
                "cway_portal_limited_connections",
                "Connections that came at a limit: tried without a place, or closed at once.", by: "limit",
                blur.counts(metrics.limitedConnections)),
            .counter(
                "cway_portal_handshakes", "Handshakes that ended, by how.", by: "outcome",
                blur.counts(metrics.handshakes)),
            .counter(
                "cway_portal_denials", "Peers that were not admitted, or not any more.",
                Double(blur.people(metrics.denialCount))),
            .counter(
                "cway_portal_announcements", "Announcements that changed something.", by: "manner",
                blur.counts(metrics.announcements)),
            .counter(
                "cway_portal_announcement_refusals", "Announcements that were not followed.", by: "reason",
                blur.counts(metrics.announcementRefusals)),
        ]
    }

    private static func tunnels(_ metrics: PortalMetrics, _ blur: Blur) -> [MetricFamily] {
        [
            .counter(
                "cway_portal_tunnels_opened", "Tunnels that were begun, by id or by token.", by: "manner",
                blur.counts(metrics.tunnels)),
            .counter(
                "cway_portal_tunnel_refusals", "Calls of which no tunnel came.", by: "reason",
                blur.counts(metrics.tunnelRefusals)),
            .counter(
                "cway_portal_tunnel_cuts", "Tunnels that the portal cut.", by: "reason",
                blur.counts(metrics.tunnelCuts)),
            .counter(
                "cway_portal_relayed_bytes", "What was handed from one connection to another in tunnels.",
                Double(blur.bytes(metrics.relayedByteCount))),
        ]
    }
}
