internal import Glibc

/// Numbers and times as people read them.
enum PageText {
    /// Bytes with a decimal prefix, in three digits at most.
    static func bytes(_ count: Double) -> String {
        let units = ["B", "kB", "MB", "GB", "TB", "PB"]
        var (value, unit) = (count, 0)
        while value >= 999.5, unit < units.count - 1 { (value, unit) = (value / 1000, unit + 1) }
        return "\(unit == 0 || value >= 99.5 ? "\(Int(value.rounded()))" : decimal(value)) \(units[unit])"
    }

    /// One digit behind the point, unless that is a nought.
    static func decimal(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }

    /// A minute in universal time: `2026-11-23 09:42 UTC`.
    static func time(_ unixSeconds: UInt64) -> String {
        var seconds = time_t(clamping: min(unixSeconds, 253_402_300_799))
        var parts = unsafe tm()
        guard unsafe gmtime_r(&seconds, &parts) != nil else { return "?" }
        let (year, month, day) = unsafe (parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday)
        let (hour, minute) = unsafe (parts.tm_hour, parts.tm_min)
        return "\(year)-\(two(month))-\(two(day)) \(two(hour)):\(two(minute)) UTC"
    }

    /// The time of this moment, in Unix seconds.
    static func nowSeconds() -> UInt64 { UInt64(max(0, Glibc.time(nil))) }

    private static func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
