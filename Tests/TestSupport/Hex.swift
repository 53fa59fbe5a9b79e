/// Bytes written as hexadecimal digits, for vectors.
package struct Hex: Sendable, Equatable, ExpressibleByStringLiteral, Decodable {
    /// The decoded bytes.
    package let bytes: [UInt8]

    /// Decodes an even number of digits; anything else is a broken vector and stops the test run.
    package init(_ text: String) {
        precondition(text.utf8.count.isMultiple(of: 2), "an odd number of hexadecimal digits")
        var rest = Substring(text)
        var bytes: [UInt8] = []
        while !rest.isEmpty {
            guard let byte = UInt8(rest.prefix(2), radix: 16) else {
                preconditionFailure("no hexadecimal digits: \(rest.prefix(2))")
            }
            bytes.append(byte)
            rest = rest.dropFirst(2)
        }
        self.bytes = bytes
    }

    /// Decodes a literal.
    package init(stringLiteral text: String) { self.init(text) }

    /// Decodes a JSON string.
    package init(from decoder: any Decoder) throws {
        self.init(try decoder.singleValueContainer().decode(String.self))
    }
}

extension Sequence<UInt8> {
    /// The bytes as hexadecimal digits.
    package var hex: String {
        map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
