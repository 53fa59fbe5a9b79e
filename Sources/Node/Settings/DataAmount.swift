/// How many bytes a setting lets somebody have, in units of a thousand: `500GB`; or in a second: `20MB/s`.
package struct DataAmount: Hashable, Sendable {
    private static let units = [
        ("kB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000),
    ]
    private static let range = 64_000...1_000_000_000_000_000

    /// The bytes.
    package let byteCount: Int

    /// Reads a whole number of kB, MB, GB or TB, from 64 kB to 1000 TB; `nil` for anything else.
    package init?(_ text: String) {
        for (unit, size) in Self.units where text.hasSuffix(unit) {
            let digits = text.dropLast(unit.count)
            guard let count = Int(digits), String(count) == digits, count <= Self.range.upperBound / size,
                Self.range.contains(count * size)
            else { return nil }
            byteCount = count * size
            return
        }
        return nil
    }

    /// Reads the same with `/s` behind it.
    package init?(perSecond text: String) {
        guard text.hasSuffix("/s") else { return nil }
        self.init(String(text.dropLast(2)))
    }

    /// What to do about a text that is none.
    package static let remedy = "write a whole number from 64kB to 1000TB, like 500GB"
    /// What to do about a text that is no rate.
    package static let rateRemedy = "write a whole number from 64kB/s on, like 20MB/s"
}

extension DataAmount: CustomStringConvertible {
    /// The form that `init(_:)` reads.
    package var description: String {
        let (unit, size) = Self.units.last { byteCount.isMultiple(of: $0.1) } ?? ("B", 1)
        return "\(byteCount / size)\(unit)"
    }
}
