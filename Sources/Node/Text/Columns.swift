internal import Glibc

/// Figures for people.
extension Double {
    /// With so many digits behind the point, rounded as C does it.
    ///
    /// Safety: C writes no more than the buffer holds, and an end behind it.
    package func text(decimals: Int) -> String {
        // Before the point the largest number has 309 digits.
        var characters = [CChar](repeating: 0, count: 320 + decimals)
        let length = unsafe withVaList([Int32(decimals), self]) {
            unsafe vsnprintf(&characters, characters.count, "%.*f", $0)
        }
        return String(decoding: characters.prefix(Int(length)).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

/// Columns for people.
extension String {
    /// As wide as that many characters at least, by spaces behind it.
    package func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }
}
