/// How long something holds, as people write it: `7d`, `12h`, `30m`.
package struct DurationText: Equatable, Sendable {
    /// A century: more is a mistake, or means for ever.
    private static let dayLimit: UInt64 = 36_525
    private static let units: [Character: UInt64] = ["d": 86_400, "h": 3_600, "m": 60]

    /// Its length in seconds, at least 60.
    package let seconds: UInt64

    package init(seconds: UInt64) { self.seconds = seconds }

    /// Reads a whole number of days, hours or minutes; `nil` for anything else, and for nothing and more than a
    /// century.
    package init?(_ text: String) {
        guard let letter = text.last, let unit = Self.units[letter] else { return nil }
        let digits = text.dropLast()
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let count = UInt64(digits), count > 0, count <= Self.dayLimit * 86_400 / unit
        else { return nil }
        seconds = count * unit
    }
}

/// When something that somebody makes ends.
package enum Lifetime: Equatable, Sendable {
    case forever
    case lasting(DurationText)

    /// Reads a duration, or `never`.
    package init?(_ text: String) {
        if text == "never" {
            self = .forever
        } else if let duration = DurationText(text) {
            self = .lasting(duration)
        } else {
            return nil
        }
    }

    /// The end in Unix seconds, of what begins now; `nil` for none.
    package func end(from now: UInt64) -> UInt64? {
        switch self {
        case .forever: nil
        case .lasting(let duration): now + duration.seconds
        }
    }
}
