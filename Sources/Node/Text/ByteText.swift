/// How many bytes, as people write it, in units of a thousand: `1.2 GB`.
package enum ByteText {
    private static let units = ["kB", "MB", "GB", "TB", "PB"]

    /// The number with one digit behind the point.
    package static func text(_ byteCount: Int) -> String {
        guard byteCount >= 1000 else { return "\(byteCount) B" }
        var value = Double(byteCount) / 1000
        var unit = 0
        // What is rounded up to a thousand has the next unit.
        while value >= 999.95, unit + 1 < units.count {
            value /= 1000
            unit += 1
        }
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }
}
