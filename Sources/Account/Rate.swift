package import NIOCore

/// How often something may happen: a bucket that fills at a steady pace and holds so much at most.
package struct Rate: Sendable {
    /// What rounding may take from a level: at the moment that ``ready(for:)`` names, it may happen.
    private static let rounding = 1e-6

    private let perSecond: Double
    private let burst: Double
    private var level: Double
    private var filledAt: NIODeadline

    /// A full bucket: `burst` at once, `perSecond` in the long run.
    package init(perSecond: Double, burst: Double, at now: NIODeadline) {
        self.perSecond = perSecond
        self.burst = burst
        level = burst
        filledAt = now
    }

    /// Whether it may happen now; it counts where it may.
    package mutating func take(_ count: Double = 1, at now: NIODeadline) -> Bool {
        fill(at: now)
        guard level >= count - Self.rounding else { return false }
        level -= count
        return true
    }

    /// Counts what has happened already; what is too much has to be made up for.
    package mutating func spend(_ count: Double, at now: NIODeadline) {
        fill(at: now)
        level -= count
    }

    /// How many may happen now.
    package func available(at now: NIODeadline) -> Int {
        var copy = self
        copy.fill(at: now)
        return Int(max(0, copy.level + Self.rounding))
    }

    /// When `count` may happen; in the past where it may now.
    package func ready(for count: Double = 1) -> NIODeadline {
        guard level < count - Self.rounding else { return filledAt }
        let seconds = (min(count, burst) - level) / perSecond
        return filledAt + .nanoseconds(Int64((seconds * 1e9).rounded(.up)))
    }

    /// Whether nothing was taken that has not come back, so that the bucket can be forgotten.
    package func isFull(at now: NIODeadline) -> Bool {
        var copy = self
        copy.fill(at: now)
        return copy.level >= burst
    }

    private mutating func fill(at now: NIODeadline) {
        guard now > filledAt else { return }
        level = min(burst, level + Double((now - filledAt).nanoseconds) / 1e9 * perSecond)
        filledAt = now
    }
}
