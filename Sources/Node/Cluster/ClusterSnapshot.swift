package import Cluster
package import NIOCore
internal import Transport

/// A machine of a cluster at a moment, for those who look after it.
package struct ClusterSnapshot: Sendable {
    /// Another machine.
    package struct Neighbour: Sendable {
        /// What it said last, and how it is.
        package var status: MachineStatus
        /// How long its latest answer took.
        package var roundTrip: TimeAmount?
        /// By how much its wall clock is ahead of ours.
        package var clockMilliseconds: Int64?
    }

    /// Which machine this is.
    package var machine: MachineID
    /// Where others dial it.
    package var address: String
    /// Whether it serves.
    package var isServing: Bool
    /// Whether it lets its endpoints go elsewhere.
    package var isDraining: Bool
    /// The others.
    package var machines: [Neighbour]
    /// How NATS is.
    package var engine: ClusterEngine.Condition
    /// The servers of NATS, without secrets.
    package var servers: [String]
    /// How the log of policy is; `nil` where there is none.
    package var policy: ClusterPolicyStatus?
    /// How many look-ups are under way.
    package var lookUpCount: Int
    /// How many there were.
    package var lookUpTotal: Int
    /// How many of them found nobody.
    package var missTotal: Int
    /// What the machine took and dropped.
    package var counts: ClusterCounts
    /// Messages that were not sealed for this portal and subject.
    package var forgedCount: Int
    /// Messages in no form that is known.
    package var malformedCount: Int
    /// Messages that were dropped because too many waited.
    package var crowdedOutCount: Int

    /// What was dropped, by reason; what was not is left out.
    package var dropped: [String: Int] {
        let all = [
            "forged": forgedCount, "malformed": malformedCount, "repeated": counts.repeated,
            "stale": counts.stale, "ahead": counts.ahead, "strange": counts.strange, "hasty": counts.hasty,
            "crowded": crowdedOutCount, "lost": Int(engine.lostCount),
        ]
        return all.filter { $0.value > 0 }
    }

    /// What became of messages that were to be published.
    package var published: [String: Int] {
        [
            "sent": engine.counts.published, "crowded": engine.counts.crowdedOut,
            "outdated": engine.counts.outdated, "disconnected": engine.counts.disconnected,
            "failed": engine.counts.failed,
        ]
    }
}
