internal import NIOCore
internal import TypedSodium

/// How a machine lets its endpoints go elsewhere before it ends.
///
/// They are told over four fifths of the time, ten times a second at most, so that the others are not stormed; what
/// tunnels are left when the time is over end in an error.
struct Drain: Sendable {
    private static let roundsPerSecond: Int64 = 10

    /// When the machine ends.
    let until: NIODeadline
    private var waiting: [PublicKey]
    private let stepCount: Int
    private let interval: TimeAmount
    private(set) var nextAt: NIODeadline?

    /// Begins to let these go.
    init(_ keys: [PublicKey], during time: TimeAmount, at now: NIODeadline) {
        until = now + time
        waiting = keys
        let span = time.nanoseconds / 5 * 4
        let rounds = max(1, Int(span * Self.roundsPerSecond / 1_000_000_000))
        stepCount = max(1, (keys.count + rounds - 1) / rounds)
        interval = .nanoseconds(span / Int64(max(1, (keys.count + stepCount - 1) / stepCount)))
        nextAt = keys.isEmpty ? nil : now
    }

    /// Those that are told now to go elsewhere.
    mutating func takeDue(at now: NIODeadline) -> [PublicKey] {
        guard let nextAt, nextAt <= now else { return [] }
        let due = Array(waiting.suffix(stepCount))
        waiting.removeLast(due.count)
        self.nextAt = waiting.isEmpty ? nil : now + interval
        return due
    }
}
