/// When a hidden node announces though nothing has changed: once in the first hours of each day.
///
/// Somebody asks again and again, rather than sleep until then: the clock may be set meanwhile, as it is on a small
/// computer that finds the time only after it has started, and the tokens of a day long past lead nowhere.
///
/// Source: docs/protocol.md, "Pair tokens".
package struct Renewal: Sendable {
    /// How often to ask.
    package static let interval = Duration.seconds(60)
    /// How long after midnight the tokens of a new day may be announced, drawn anew each time: the portal is not to
    /// see all endpoints of one person move at one moment.
    package static let spreadSeconds: UInt64 = 6 * 3_600
    private static let secondsPerDay: UInt64 = 86_400

    private var due: UInt64

    /// The one of the next day, in Unix seconds.
    package init(now: UInt64) {
        due = now - now % Self.secondsPerDay + Self.secondsPerDay + .random(in: 0..<Self.spreadSeconds)
    }

    /// Whether to announce now; the next time is then another day.
    ///
    /// Also after a clock that was set back so far that no token announced is one of today.
    package mutating func isDue(now: UInt64) -> Bool {
        guard now >= due || due - now > 2 * Self.secondsPerDay else { return false }
        self = Renewal(now: now)
        return true
    }
}
