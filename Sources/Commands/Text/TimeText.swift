/// Points in time as ISO 8601 writes them, in universal time: `2026-11-23T09:42:35Z`.
package enum TimeText {
    private static let secondsPerDay: UInt64 = 86_400
    /// The first second of the year 10000, which has five digits that programs do not expect.
    private static let limit: UInt64 = 253_402_300_800

    /// The text for Unix seconds; what is after the year 9999 is shown as its last second.
    package static func text(_ unixSeconds: UInt64) -> String {
        let seconds = min(unixSeconds, limit - 1)
        let (year, month, day) = date(daysSince1970: Int(seconds / secondsPerDay))
        let second = Int(seconds % secondsPerDay)
        let parts = [second / 3600, second / 60 % 60, second % 60].map { digits($0, 2) }
        return "\(digits(year, 4))-\(digits(month, 2))-\(digits(day, 2))T\(parts.joined(separator: ":"))Z"
    }

    /// The Gregorian date of a day, counted in 400-year cycles that begin on the first of March, behind leap days.
    private static func date(daysSince1970 days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468  // days from 1 March of year 0
        let (cycle, dayOfCycle) = shifted.quotientAndRemainder(dividingBy: 146_097)
        let yearOfCycle =
            (dayOfCycle - dayOfCycle / 1460 + dayOfCycle / 36_524 - dayOfCycle / 146_096) / 365
        let dayOfYear = dayOfCycle - (365 * yearOfCycle + yearOfCycle / 4 - yearOfCycle / 100)
        // Months from March on: their lengths follow 153 days in five months.
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = 400 * cycle + yearOfCycle + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
    }

    private static func digits(_ number: Int, _ count: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, count - text.count)) + text
    }
}
