/// Which numbers of a sender have come, so that none counts twice.
///
/// The greatest number and the 63 below it are remembered; what lies below those counts as seen. A window begins with
/// the first number that comes, and all before it count as seen.
///
/// Source: RFC 6479, with one word.
package struct ReplayWindow: Sendable {
    /// How many numbers are remembered.
    package static let count: UInt64 = 64

    private var greatest: UInt64
    /// Bit n stands for the number that lies n below the greatest.
    private var seen: UInt64 = .max

    /// Begins with the first number that came, which is seen with it.
    package init(first: UInt64) { greatest = first }

    /// Whether a number is fresh; it counts as seen from then on.
    package mutating func take(_ number: UInt64) -> Bool {
        if number > greatest {
            let distance = number - greatest
            seen = distance < Self.count ? seen << distance | 1 : 1
            greatest = number
            return true
        }
        let distance = greatest - number
        guard distance < Self.count, seen & (1 << distance) == 0 else { return false }
        seen |= 1 << distance
        return true
    }
}
