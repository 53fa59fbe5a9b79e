package import Tunnel

/// A node's numbers as metrics.
package enum NodeFamilies {
    /// All of them; those that tell of people as exactly as is wanted.
    package static func families(of metrics: NodeMetrics, _ blur: Blur) -> [MetricFamily] {
        portals(metrics) + sessions(metrics, blur) + streams(metrics, blur)
    }

    /// The portals are the owner's own choice: nobody is counted here.
    private static func portals(_ metrics: NodeMetrics) -> [MetricFamily] {
        let away = max(0, metrics.wantedPortalCount - metrics.attachedPortalCount)
        return [
            .gauge(
                "cway_node_portals", "Portals of this node, by whether it is announced there.", by: "state",
                [("attached", Double(metrics.attachedPortalCount)), ("away", Double(away))]),
            .counter(
                "cway_node_portal_events", "What happened between this node and its portals.", by: "event",
                Blur.exact.counts(metrics.portalEvents)),
        ]
    }

    private static func sessions(_ metrics: NodeMetrics, _ blur: Blur) -> [MetricFamily] {
        [
            .gauge(
                "cway_node_sessions", "Sessions of others that stand.",
                Double(blur.people(metrics.sessionCount))),
            .gauge(
                "cway_node_handshakes_under_way", "Handshakes in tunnels that are under way.",
                Double(blur.people(metrics.handshakeCount))),
            .counter(
                "cway_node_tunnels", "Tunnels to this node, and what became of the sessions in them.",
                by: "outcome", blur.counts(metrics.sessions)),
        ]
    }

    private static func streams(_ metrics: NodeMetrics, _ blur: Blur) -> [MetricFamily] {
        [
            .counter(
                "cway_node_service_requests", "Services that friends asked for.",
                Double(blur.people(metrics.requestCount))),
            .counter(
                "cway_node_unknown_services", "Of those, the ones that are not offered.",
                Double(blur.people(metrics.unknownServiceCount))),
            .counter(
                "cway_node_streams_ended", "Streams that ended, by how.", by: "ending",
                blur.counts(metrics.streams)),
            .counter(
                "cway_node_displacements", "What was cut because others have less of what is short.",
                by: "short", blur.counts(metrics.displaced)),
            .counter(
                "cway_node_received_bytes", "What streams brought to services.",
                Double(blur.bytes(metrics.receivedByteCount))),
            .counter(
                "cway_node_sent_bytes", "What services gave to streams.",
                Double(blur.bytes(metrics.sentByteCount))),
            .gauge(
                "cway_node_held_bytes", "What is held for others, in bytes of memory.",
                Double(blur.bytes(metrics.heldByteCount))),
            .gauge(
                "cway_node_held_limit_bytes", "What may be held for all others together.",
                Double(metrics.holdableByteCount)),
        ]
    }
}
