/// A machine of a cluster as metrics.
package enum ClusterFamilies {
    /// All of them; none tells of people.
    package static func families(of report: ClusterReport) -> [MetricFamily] {
        let live = report.machines.filter { $0.standing == "live" }
        return [
            .gauge(
                "cway_cluster_serving",
                "Whether this machine serves: it knows the others, and has their clock.",
                report.isServing ? 1 : 0),
            .gauge(
                "cway_cluster_engine_up", "Whether there is a connection to NATS.",
                report.engine.isConnected ? 1 : 0),
            .gauge(
                "cway_cluster_machines", "The other machines of the portal.", by: "standing",
                [
                    ("live", Double(live.count)),
                    ("suspect", Double(report.machines.count { $0.standing == "suspect" })),
                ]),
            .gauge(
                "cway_cluster_links", "Other machines to which the link for messages stands.",
                Double(report.machines.count(where: \.isLinked))),
            .gauge(
                "cway_cluster_policy_index", "How many records of the log of policy are applied.",
                Double(report.policy?.index ?? 0)),
            .gauge(
                "cway_cluster_lookups_waiting", "Look-ups at other machines that are under way.",
                Double(report.lookUpCount)),
            .counter(
                "cway_cluster_lookups",
                "Look-ups at other machines, those that find nobody from the start included.",
                Double(report.lookUpTotal)),
            .counter("cway_cluster_misses", "Look-ups that found nobody.", Double(report.missTotal)),
            .counter(
                "cway_cluster_messages_taken", "Messages of other machines that were taken.",
                Double(report.takenCount)),
            .counter(
                "cway_cluster_messages_dropped", "Messages of other machines that were dropped.",
                by: "reason",
                report.dropped.sorted { $0.key < $1.key }.map { ($0.key, Double($0.value)) }),
            .counter(
                "cway_cluster_publications", "What became of messages for NATS.", by: "outcome",
                report.published.sorted { $0.key < $1.key }.map { ($0.key, Double($0.value)) }),
            .counter(
                "cway_cluster_yielded", "Announcements that gave way to one at another machine.",
                Double(report.yieldedCount)),
        ]
    }
}
