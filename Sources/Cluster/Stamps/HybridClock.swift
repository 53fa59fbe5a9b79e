package import NIOCore

/// A moment of a hybrid logical clock: milliseconds since 1970 in 48 bits, and a counter in 16.
package struct HybridTime: Hashable, Comparable, Sendable {
    /// Before everything.
    package static let zero = HybridTime(0)

    /// Both parts as they travel.
    package let value: UInt64

    /// The moment with these parts.
    package init(_ value: UInt64) { self.value = value }

    /// The first moment of a millisecond.
    package init(milliseconds: UInt64) { value = milliseconds << 16 }

    /// Milliseconds since 1970.
    package var milliseconds: UInt64 { value >> 16 }

    /// How many milliseconds this lies behind another; negative where it lies before.
    package func milliseconds(since other: HybridTime) -> Int64 {
        Int64(bitPattern: milliseconds) - Int64(bitPattern: other.milliseconds)
    }

    /// The earlier one is less.
    package static func < (left: HybridTime, right: HybridTime) -> Bool { left.value < right.value }
}

/// Which of two claims of one key came later, on whatever machines.
package struct ClaimStamp: Hashable, Comparable, Sendable {
    /// When the machine gave it.
    package let time: HybridTime
    /// Who gave it, which decides between equal times.
    package let machine: MachineID

    /// A stamp.
    package init(_ time: HybridTime, _ machine: MachineID) {
        self.time = time
        self.machine = machine
    }

    /// The later one is greater.
    package static func < (left: ClaimStamp, right: ClaimStamp) -> Bool {
        (left.time, left.machine) < (right.time, right.machine)
    }
}

/// Gives each announcement a later time than all that this machine knows of.
///
/// The wall clock is read once, at the start; from then on monotonic time counts, so a clock that is set changes nothing.
///
/// ### Invariants
/// - No two ticks are equal, and each is greater than everything merged before it.
package struct HybridClock: Sendable {
    private let startedAt: NIODeadline
    private let startMilliseconds: UInt64
    private var latest = HybridTime.zero

    /// Starts at a moment whose wall clock showed so many milliseconds since 1970.
    package init(wallMilliseconds: UInt64, at now: NIODeadline) {
        startedAt = now
        startMilliseconds = wallMilliseconds
    }

    /// What the clock shows, without a tick.
    package func reading(at now: NIODeadline) -> HybridTime {
        max(latest, HybridTime(milliseconds: physicalMilliseconds(at: now)))
    }

    /// The next time of its own; a full counter carries into the milliseconds.
    package mutating func tick(at now: NIODeadline) -> HybridTime {
        latest = max(
            HybridTime(milliseconds: physicalMilliseconds(at: now)), HybridTime(latest.value &+ 1))
        return latest
    }

    /// Never gives a time again that another has reached.
    package mutating func merge(_ time: HybridTime) { latest = max(latest, time) }

    private func physicalMilliseconds(at now: NIODeadline) -> UInt64 {
        startMilliseconds &+ UInt64(max(0, (now - startedAt).nanoseconds) / 1_000_000)
    }
}
