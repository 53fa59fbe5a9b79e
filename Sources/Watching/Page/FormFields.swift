/// What a form sends: names and texts, each name once.
package struct FormFields: Equatable, Sendable {
    /// The most that is read, in bytes.
    package static let byteCountLimit = 4096
    private static let fieldLimit = 16

    private var values: [String: String] = [:]

    /// Reads `application/x-www-form-urlencoded`; `nil` for what is none, has a name twice, or is too much.
    package init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count <= Self.byteCountLimit else { return nil }
        let pairs = bytes.split(separator: UInt8(ascii: "&"))
        guard pairs.count <= Self.fieldLimit else { return nil }
        for pair in pairs {
            let parts = pair.split(
                separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = Self.text(parts[0]), let value = parts.count > 1 ? Self.text(parts[1]) : "",
                values.updateValue(value, forKey: name) == nil
            else { return nil }
        }
    }

    /// What was sent under a name.
    package subscript(name: String) -> String? { values[name] }

    private static func text(_ encoded: some Collection<UInt8>) -> String? {
        var bytes: [UInt8] = []
        var rest = encoded.makeIterator()
        while let byte = rest.next() {
            switch byte {
            case UInt8(ascii: "+"): bytes.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                guard let high = rest.next().flatMap(digit), let low = rest.next().flatMap(digit) else {
                    return nil
                }
                bytes.append(high << 4 | low)
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
