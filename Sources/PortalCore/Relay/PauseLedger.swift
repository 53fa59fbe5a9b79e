package import NIOCore

/// How long a connection was not read because queues that it fills were full, while other tunnels of it had to wait.
///
/// Of any five seconds that may be 250 ms. The causer of most of more than that loses a tunnel here, and may cause none
/// for a minute; the next one within the same five seconds has a tenth of that. While nobody waits, nothing is counted: a
/// slow receiver hurts itself.
///
/// ### Invariants
/// - Every piece of waiting is counted once, and blamed on the tunnels that are full then, in equal parts.
/// - Nothing older than the window counts: what was waited in all is the sum of the steps, oldest first.
/// - No step blames more than was waited in it.
package struct PauseLedger<Causer: Hashable & Sendable>: Sendable {
    /// Who has to go.
    package struct Verdict: Equatable, Sendable {
        /// Who has caused most.
        package var causer: Causer
        /// Its tunnel that has caused most; the tunnel may be gone already.
        package var tunnel: TunnelID

        /// Who it is, and which tunnel of it.
        package init(causer: Causer, tunnel: TunnelID) {
            self.causer = causer
            self.tunnel = tunnel
        }
    }

    /// How long others may have to wait within ``window``.
    package static var allowance: TimeAmount { .milliseconds(250) }
    /// How long one causer may keep others waiting when the allowance is used up, by others or not.
    private static var leastBlame: TimeAmount { .milliseconds(25) }
    /// Within which time that is.
    package static var window: TimeAmount { .seconds(5) }
    /// How long a causer of more may cause nothing.
    package static var penalty: TimeAmount { .seconds(60) }
    /// How often there is something to be seen to at most: nobody may be waiting, and time alone changes nothing then.
    private static var leastInterval: TimeAmount { .milliseconds(20) }
    /// How exactly the window is kept.
    private static var step: TimeAmount { .milliseconds(250) }

    private struct Step {
        let end: NIODeadline
        /// How long others waited in all.
        var waited: Int64 = 0
        /// On whom that is blamed, those that were condemned for it left out.
        var nanoseconds: [TunnelID: Int64] = [:]
    }

    private var full: [TunnelID: Causer] = [:]
    private var steps = CircularBuffer<Step>(initialCapacity: 1)
    /// Whose the tunnels are that are counted in `steps`.
    private var causers: [TunnelID: Causer] = [:]
    private var countedNanoseconds: Int64 = 0
    private var penalties: [Causer: NIODeadline] = [:]
    private var countedAt = NIODeadline.uptimeNanoseconds(0)

    /// Nothing has waited.
    package init() {}

    /// Whether a queue is full.
    package var isPaused: Bool { !full.isEmpty }

    /// The tunnels whose queues are full.
    package var fullTunnels: Dictionary<TunnelID, Causer>.Keys { full.keys }

    /// Whether a tunnel's queue is full.
    package func isFull(_ tunnel: TunnelID) -> Bool { full[tunnel] != nil }

    /// How long others have had to wait lately.
    package var waited: TimeAmount { .nanoseconds(countedNanoseconds) }

    /// A queue is full; call ``count(until:at:)`` before.
    package mutating func paused(_ tunnel: TunnelID, by causer: Causer, at now: NIODeadline) {
        if full.isEmpty { countedAt = now }
        full[tunnel] = causer
    }

    /// A queue has room, or is gone; call ``count(until:at:)`` before.
    package mutating func resumed(_ tunnel: TunnelID) { full[tunnel] = nil }

    /// Counts the time that has gone by, as far as some other tunnel was `active` in it.
    package mutating func count(until active: NIODeadline?, at now: NIODeadline) {
        forget(at: now)
        defer {
            countedAt = max(countedAt, now)
            assert(invariantsHold)
        }
        guard !full.isEmpty, let active else { return }
        let waited = (min(now, active) - countedAt).nanoseconds
        guard waited > 0 else { return }
        if steps.last.map({ $0.end <= now }) ?? true { steps.append(Step(end: now + Self.step)) }
        // Each has its part, and the first what does not divide: the sums stay exact.
        var (part, rest) = waited.quotientAndRemainder(dividingBy: Int64(full.count))
        for (tunnel, causer) in full {
            steps[steps.index(before: steps.endIndex)].nanoseconds[tunnel, default: 0] += part + rest
            causers[tunnel] = causer
            rest = 0
        }
        steps[steps.index(before: steps.endIndex)].waited += waited
        countedNanoseconds += waited
    }

    /// Who has to go now, if anybody has; it is blamed no more for that, and may cause nothing for a minute.
    ///
    /// `isSomebodyActive` is whether another tunnel waits at this moment.
    package mutating func judge(isSomebodyActive: Bool, at now: NIODeadline) -> Verdict? {
        guard !full.isEmpty, isSomebodyActive else { return nil }
        penalties = penalties.filter { $0.value > now }
        if let (tunnel, causer) = full.filter({ penalties[$0.value] != nil }).min(by: {
            $0.key < $1.key
        }) {
            return condemn(Verdict(causer: causer, tunnel: tunnel), at: now)
        }
        guard countedNanoseconds > Self.allowance.nanoseconds else { return nil }
        let byTunnel = nanosecondsByTunnel
        var byCauser: [Causer: Int64] = [:]
        for (tunnel, nanoseconds) in byTunnel {
            if let causer = causers[tunnel] { byCauser[causer, default: 0] += nanoseconds }
        }
        guard let (causer, blame) = byCauser.max(by: { $0.value < $1.value }),
            blame > Self.leastBlame.nanoseconds
        else { return nil }
        let own = byTunnel.filter { causers[$0.key] == causer }
        // One that is full now before one that was.
        let worst = own.max { left, right in
            (full[left.key] != nil ? 1 : 0, left.value, right.key)
                < (full[right.key] != nil ? 1 : 0, right.value, left.key)
        }
        guard let tunnel = worst?.key else { return nil }
        return condemn(Verdict(causer: causer, tunnel: tunnel), at: now)
    }

    /// When ``judge(isSomebodyActive:at:)`` has something to say at the earliest, if nothing else happens.
    package var deadline: NIODeadline? {
        guard !full.isEmpty else { return nil }
        let left = Self.allowance.nanoseconds - countedNanoseconds
        return countedAt + .nanoseconds(max(left + 1, Self.leastInterval.nanoseconds))
    }

    private var invariantsHold: Bool {
        steps.reduce(0) { $0 + $1.waited } == countedNanoseconds
            && zip(steps, steps.dropFirst()).allSatisfy { $0.end <= $1.end }
            && steps.allSatisfy { $0.nanoseconds.values.reduce(0, +) <= $0.waited }
    }

    private var nanosecondsByTunnel: [TunnelID: Int64] {
        steps.reduce(into: [:]) { sums, step in sums.merge(step.nanoseconds, uniquingKeysWith: +) }
    }

    private mutating func condemn(_ verdict: Verdict, at now: NIODeadline) -> Verdict {
        penalties[verdict.causer] = now + Self.penalty
        full[verdict.tunnel] = nil
        for index in steps.indices {
            steps[index].nanoseconds = steps[index].nanoseconds.filter {
                causers[$0.key] != verdict.causer
            }
        }
        causers = causers.filter { $0.value != verdict.causer }
        assert(invariantsHold)
        return verdict
    }

    private mutating func forget(at now: NIODeadline) {
        let before = steps.count
        while let first = steps.first, first.end + Self.window <= now + Self.step {
            _ = steps.popFirst()
            countedNanoseconds -= first.waited
        }
        guard steps.count < before else { return }
        let counted = nanosecondsByTunnel
        causers = causers.filter { counted[$0.key] != nil }
    }
}
