import Cluster
package import NIOCore

/// How messages travel, and what goes wrong with them.
package struct NetworkPlan: Sendable {
    /// The shortest and the longest way of a message.
    package var delay = (shortest: TimeAmount.microseconds(100), longest: TimeAmount.microseconds(400))
    /// How many of a thousand messages of NATS are lost.
    package var loss = 0.0
    /// How many come twice.
    package var duplication = 0.0
    /// How many are overtaken by those behind them, by up to 50 ms.
    package var reordering = 0.0

    package init() {}

    /// One of a hundred lost, one doubled, one of twenty overtaken.
    package static var rough: NetworkPlan {
        var plan = NetworkPlan()
        plan.loss = 0.01
        plan.duplication = 0.01
        plan.reordering = 0.05
        return plan
    }
}

/// NATS and links between machines that are numbered from 0.
struct SimulatedNetwork {
    private struct Way: Hashable {
        let from: Int
        let to: Int
        let path: ClusterPath
    }

    private let plan: NetworkPlan
    private var cuts: Set<Way> = []
    private var frees: [Way: NIODeadline] = [:]
    /// Machines in different parts do not reach each other.
    private var parts: [Int]
    /// While NATS is frozen what it was given waits until then.
    private(set) var frozenUntil: NIODeadline?

    init(_ plan: NetworkPlan, machineCount: Int) {
        self.plan = plan
        parts = Array(repeating: 0, count: machineCount)
    }

    mutating func add() { parts.append(0) }

    mutating func cut(from: Int, to: Int, _ path: ClusterPath) {
        cuts.insert(Way(from: from, to: to, path: path))
    }
    mutating func mendAll() {
        cuts.removeAll()
        parts = parts.map { _ in 0 }
    }
    mutating func split(_ isSecond: (Int) -> Bool) { parts = parts.indices.map { isSecond($0) ? 1 : 0 } }
    mutating func freeze(until deadline: NIODeadline) { frozenUntil = deadline }

    func reaches(from: Int, to: Int, _ path: ClusterPath) -> Bool {
        parts[from] == parts[to] && !cuts.contains(Way(from: from, to: to, path: path))
    }

    /// When a message that is sent now arrives: not at all, once, or twice.
    mutating func arrivals(
        from: Int, to: Int, _ path: ClusterPath, at now: NIODeadline, _ random: inout SimulationRandom
    ) -> [NIODeadline] {
        guard reaches(from: from, to: to, path) else { return [] }
        let nanoseconds = Int64.random(
            in: plan.delay.shortest.nanoseconds...plan.delay.longest.nanoseconds, using: &random)
        var arrival = now + .nanoseconds(nanoseconds)
        let way = Way(from: from, to: to, path: path)
        if path == .engine {
            if random.chance(plan.loss) { return [] }
            if let frozenUntil, frozenUntil > now { arrival = max(arrival, frozenUntil) }
            if random.chance(plan.reordering) {
                return [arrival + .milliseconds(Int64.random(in: 0...50, using: &random))]
            }
        }
        arrival = max(arrival, frees[way] ?? arrival)
        frees[way] = arrival
        guard path == .engine, random.chance(plan.duplication) else { return [arrival] }
        return [arrival, arrival + .milliseconds(Int64.random(in: 0...20, using: &random))]
    }
}

/// How many messages and bytes there were.
package struct Traffic: Sendable {
    /// What NATS was given.
    package var publicationCount = 0
    package var publishedByteCount = 0
    /// What NATS handed out.
    package var deliveryCount = 0
    package var deliveredByteCount = 0
    /// What went over control links.
    package var linkMessageCount = 0
    package var linkByteCount = 0

    package init() {}

    /// What has come since another time.
    package static func - (later: Traffic, earlier: Traffic) -> Traffic {
        var difference = Traffic()
        difference.publicationCount = later.publicationCount - earlier.publicationCount
        difference.publishedByteCount = later.publishedByteCount - earlier.publishedByteCount
        difference.deliveryCount = later.deliveryCount - earlier.deliveryCount
        difference.deliveredByteCount = later.deliveredByteCount - earlier.deliveredByteCount
        difference.linkMessageCount = later.linkMessageCount - earlier.linkMessageCount
        difference.linkByteCount = later.linkByteCount - earlier.linkByteCount
        return difference
    }
}
