package import TypedSodium

/// How much may pass through the tunnels of one payer.
package struct TrafficLimits: Equatable, Sendable {
    /// In a second, as a mean; `nil` for as much as the line takes.
    package var bytesPerSecond: Int?
    /// In a calendar month of universal time; `nil` for any volume.
    package var bytesPerMonth: Int?

    /// No limits.
    package init() {}
}

/// What an operator lets each payer have.
package struct TrafficSettings: Equatable, Sendable {
    /// Each member.
    package var member = TrafficLimits()
    /// Each source address of those who are no members.
    package var source = TrafficLimits()

    /// No limits.
    package init() {}

    /// What a payer may have.
    func limits(of payer: TrafficPayer) -> TrafficLimits {
        switch payer {
        case .member: member
        case .source: source
        }
    }
}

/// For whom what passes through a tunnel is counted, over all connections.
///
/// A tunnel is its caller's where that is a member. Otherwise it is the endpoint's where that is one, and the source's of
/// its caller at the same time: nodes call under fresh keys as a rule, and a member's friends are no members.
package enum TrafficPayer: Hashable, Sendable {
    /// A member of the portal.
    case member(PublicKey)
    /// A source address, by what it counts as.
    case source(String)
}

/// A month of the Gregorian calendar, in universal time.
package struct CalendarMonth: Hashable, Comparable, Sendable {
    private static let secondsPerDay: UInt64 = 86_400

    /// Months since January of the year 0.
    package let number: Int

    /// The month of that number.
    package init(number: Int) { self.number = number }

    /// The month of a moment, in Unix seconds.
    package init(unixSeconds: UInt64) {
        // Counted in 400-year cycles that begin on the first of March, behind leap days.
        let shifted = Int(unixSeconds / Self.secondsPerDay) + 719_468
        let (cycle, dayOfCycle) = shifted.quotientAndRemainder(dividingBy: 146_097)
        let yearOfCycle =
            (dayOfCycle - dayOfCycle / 1460 + dayOfCycle / 36_524 - dayOfCycle / 146_096) / 365
        let dayOfYear = dayOfCycle - (365 * yearOfCycle + yearOfCycle / 4 - yearOfCycle / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        number = (cycle * 400 + yearOfCycle) * 12 + monthFromMarch + 2
    }

    /// The next one.
    package var next: CalendarMonth { CalendarMonth(number: number + 1) }

    /// Its first day, as in `2026-12-01`.
    package var firstDay: String {
        let (year, month) = number.quotientAndRemainder(dividingBy: 12)
        return "\(year)-\(month + 1 < 10 ? "0" : "")\(month + 1)-01"
    }

    /// The earlier one comes first.
    package static func < (left: CalendarMonth, right: CalendarMonth) -> Bool { left.number < right.number }
}

/// What a payer has had in a month.
package struct TrafficUsage: Equatable, Sendable {
    /// Who it is.
    package var payer: TrafficPayer
    /// Bytes of packets that were passed on.
    package var byteCount: Int
    /// Whether that is all it may have.
    package var isUsedUp = false

    /// What somebody has had.
    package init(payer: TrafficPayer, byteCount: Int) {
        self.payer = payer
        self.byteCount = byteCount
    }
}
