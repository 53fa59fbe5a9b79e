internal import Account
package import NIOCore

/// In which order the proofs of a process are looked at, and how many: in turns by who causes them.
///
/// Two hundred a second are looked at, of which thirty for those of whom one was wrong within a minute. So a liar makes
/// himself slow, and whoever shares a token with him; nobody is refused for another's lies. What would wait five
/// seconds is turned away at once.
package struct ProofQueue<Work> {
    /// How many proofs are looked at in a second.
    package static var perSecond: Double { 200 }
    /// How many of these for causers of wrong ones.
    package static var perSecondOfWrong: Double { 30 }
    /// How many are looked at at once after a pause.
    package static var burst: Double { 32 }
    /// The same for causers of wrong ones.
    package static var burstOfWrong: Double { 4 }
    /// How long a proof may wait.
    package static var patience: TimeAmount { .seconds(5) }
    /// For how long a wrong proof slows down the next ones.
    package static var memory: TimeAmount { .seconds(60) }
    /// How many can wait: more than can be looked at in time.
    private static var limit: Int { 1024 }

    private var turns = Turns<HandshakeCauser, Work>(limit: ProofQueue.limit)
    private var rate: Rate
    private var rateOfWrong: Rate
    private var wrong: [HandshakeCauser: NIODeadline] = [:]
    private var sweptAt: NIODeadline

    /// An empty queue.
    package init(at now: NIODeadline) {
        rate = Rate(perSecond: Self.perSecond, burst: Self.burst, at: now)
        rateOfWrong = Rate(perSecond: Self.perSecondOfWrong, burst: Self.burstOfWrong, at: now)
        sweptAt = now
    }

    /// How many wait.
    package var count: Int { turns.count }

    /// Takes a proof; `false` where it would wait too long.
    package mutating func append(_ work: Work, of causer: HandshakeCauser, at now: NIODeadline) -> Bool {
        forgetWrong(at: now)
        guard turns.count < Self.limit, wait(for: causer) < Double(Self.patience.nanoseconds) / 1e9 else {
            return false
        }
        return turns.append(work, of: causer) == nil
    }

    /// How long the next proof of a causer waits at the most, in seconds: for one of everybody else's to each of its own.
    private func wait(for causer: HandshakeCauser) -> Double {
        let own = turns.count(of: causer) + 1
        var before = 0
        var beforeOfWrong = 0
        for other in turns.causers {
            let count = min(turns.count(of: other), own)
            before += count
            if wrong[other] != nil { beforeOfWrong += count }
        }
        let all = Double(before) / Self.perSecond
        guard wrong[causer] != nil else { return all }
        return max(all, Double(beforeOfWrong) / Self.perSecondOfWrong)
    }

    /// The next proof to look at, if one may be looked at now.
    package mutating func next(at now: NIODeadline) -> Work? {
        forgetWrong(at: now)
        guard rate.ready() <= now else { return nil }
        let mayBeWrong = rateOfWrong.ready() <= now
        let next = turns.popFirst { mayBeWrong || wrong[$0] == nil }
        guard let next else { return nil }
        rate.spend(1, at: now)
        if wrong[next.causer] != nil { rateOfWrong.spend(1, at: now) }
        return next.element
    }

    /// When ``next(at:)`` may have one; `nil` where none waits.
    package var readyAt: NIODeadline? {
        guard turns.count > 0 else { return nil }
        guard turns.causers.allSatisfy({ wrong[$0] != nil }) else { return rate.ready() }
        return max(rate.ready(), rateOfWrong.ready())
    }

    /// A proof of this causer was wrong, or of somebody who is not let in.
    package mutating func noteWrong(_ causer: HandshakeCauser, at now: NIODeadline) {
        // Behind a portal there are many who share nothing: strangers are not to slow down its friends.
        if case .portal = causer { return }
        wrong[causer] = now
    }

    private mutating func forgetWrong(at now: NIODeadline) {
        guard now >= sweptAt + .seconds(1) else { return }
        sweptAt = now
        wrong = wrong.filter { $0.value + Self.memory > now }
    }
}

extension ProofQueue: Sendable where Work: Sendable {}
