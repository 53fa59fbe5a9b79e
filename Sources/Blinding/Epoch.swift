package import TypedSodium

/// A day since 1970 in universal time, from midnight to midnight: the time for which blinded values hold.
package struct Epoch: Hashable, Sendable {
    /// How many days after 1 January 1970.
    package let number: UInt64

    private static let secondsPerDay: UInt64 = 86_400
    private static let secondsAroundMidnight: UInt64 = 3_600

    /// The epoch with a number.
    package init(_ number: UInt64) { self.number = number }

    /// The epoch in which a second lies.
    package init(unixSeconds: UInt64) { number = unixSeconds / Self.secondsPerDay }

    /// The day before, unless this is the first one.
    package var previous: Epoch? { number == .min ? nil : Epoch(number - 1) }

    /// The day after, unless this is the last one that has a number.
    package var next: Epoch? { number == .max ? nil : Epoch(number + 1) }

    /// The days whose values are accepted on this one: the day before, itself and the day after, in this order.
    ///
    /// Three days, because nobody's clock is right and midnight comes while a call is under way.
    package var window: [Epoch] { [previous, self, next].compactMap(\.self) }

    /// Whether the other one is in this one's ``window``.
    package func accepts(_ other: Epoch) -> Bool {
        max(number, other.number) - min(number, other.number) <= 1
    }

    /// The days whose token a client tries at a second, in this order: its own, and within an hour of midnight the
    /// one on the other side of it.
    package static func candidates(atUnixSeconds seconds: UInt64) -> [Epoch] {
        let own = Epoch(unixSeconds: seconds)
        let secondOfDay = seconds % secondsPerDay
        let neighbour: Epoch? =
            if secondOfDay < secondsAroundMidnight {
                own.previous
            } else if secondOfDay >= secondsPerDay - secondsAroundMidnight {
                own.next
            } else {
                nil
            }
        return [own, neighbour].compactMap(\.self)
    }

    /// The number in eight bytes, least significant first: LE64(e) in the formulas.
    package var littleEndianBytes: FixedBytes<8> {
        var bytes = FixedBytes<8>()
        for index in bytes.storage.indices {
            bytes.storage[index] = UInt8(truncatingIfNeeded: number >> (8 * UInt64(index)))
        }
        return bytes
    }
}

extension Epoch: Comparable {
    /// Whether the left day is before the right one.
    package static func < (left: Epoch, right: Epoch) -> Bool { left.number < right.number }
}
