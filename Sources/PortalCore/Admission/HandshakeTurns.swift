internal import Account
package import NIOCore

/// Whose handshake goes on next on an event loop: in turns by source, within a quarter of the loop's time.
///
/// What a message of a handshake costs, up to 0.3 ms of key agreements, is spent on people who may be anybody. A value
/// without clock: it is told what each step took.
package struct HandshakeTurns<Waiter> {
    /// How much of a loop's time may go into handshakes.
    static var share: Double { 0.25 }
    /// How much of it may go at once after a quiet time, in seconds.
    private static var burst: Double { 0.004 }
    /// How much has to be free again for the next slice, in seconds.
    private static var slice: Double { 0.0005 }
    /// Who would have to wait so long is not let in.
    package static var patience: TimeAmount { .seconds(4) }
    /// How many may wait; nobody waits longer for more, since a newcomer is turned away before.
    static var limit: Int { 16_384 }

    private var turns = Turns<SourceAddress, Waiter>(limit: Self.limit)
    private var rate: Rate
    /// What a step takes of late, in seconds.
    private var step = 0.000_2

    /// Nobody waits.
    package init(at now: NIODeadline) {
        rate = Rate(perSecond: Self.share, burst: Self.burst, at: now)
    }

    /// How many wait.
    var count: Int { turns.count }

    /// How long somebody new would wait for a turn, more or less.
    package func wait(of source: SourceAddress) -> TimeAmount {
        // One of each in a round: so many rounds as its own source has before it, and never more than all.
        let rounds = turns.count(of: source.network ?? source) + 1
        let (product, isTooMuch) = rounds.multipliedReportingOverflow(by: turns.causerCount)
        let before = isTooMuch ? turns.count : min(turns.count, product)
        return .nanoseconds(Int64(Double(before) * step / Self.share * 1e9))
    }

    /// Puts somebody at the end of its source's; whom there is no room for any more.
    package mutating func append(_ waiter: Waiter, from source: SourceAddress) -> Waiter? {
        turns.append(waiter, of: source.network ?? source)?.element
    }

    /// Whose turn it is, where there is time for one.
    package mutating func next(at now: NIODeadline) -> Waiter? {
        guard turns.count > 0, rate.take(0.000_001, at: now) else { return nil }
        return turns.popFirst()?.element
    }

    /// What the turn took.
    package mutating func took(_ time: TimeAmount, until now: NIODeadline) {
        let seconds = Double(time.nanoseconds) / 1e9
        rate.spend(seconds, at: now)
        step += (seconds - step) / 16
    }

    /// When it is somebody's turn again; `nil` while nobody waits.
    package var nextTurn: NIODeadline? { turns.count > 0 ? rate.ready(for: Self.slice) : nil }
}
