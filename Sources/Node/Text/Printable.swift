internal import LMDB

/// The one printer of text that came from outside: a peer's or friend's words, an argument, a file.
///
/// What could move a terminal's cursor, turn the direction of writing, or stand there unseen is written as an escape
/// like `\u{1b}`, and a byte that is no UTF-8 like `\xe9`.
extension String {
    /// How much is printed of a text in one line, in characters of Unicode.
    package static let printableLineLimit = 1_024
    /// How much is printed of a failure's text.
    package static let printableTextLimit = 16_384

    /// The text in plain characters; line breaks stay.
    package var printable: String { printable(keepsLineBreaks: true, limit: .max) }

    /// The same, of a text that somebody else may have made as long as they liked.
    package var printableText: String { printable(keepsLineBreaks: true, limit: Self.printableTextLimit) }

    /// The same in one line.
    package var printableLine: String {
        printable(keepsLineBreaks: false, limit: Self.printableLineLimit)
    }

    /// JSON with `\u` escapes in the place of what is not plain, which it can have in its strings alone: so it still
    /// is JSON, of the same value.
    package var printableJSON: String {
        guard !isPlainASCII(keepsLineBreaks: false) else { return self }
        var shown = ""
        for scalar in unicodeScalars {
            if scalar.isPlain {
                shown.unicodeScalars.append(scalar)
            } else {
                for unit in UTF16.encode(scalar).map(Array.init) ?? [] {
                    let digits = String(unit, radix: 16)
                    shown += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            }
        }
        return shown
    }

    private func printable(keepsLineBreaks: Bool, limit: Int) -> String {
        // Most texts are ASCII, and as long in characters as in bytes.
        if utf8.count <= limit, isPlainASCII(keepsLineBreaks: keepsLineBreaks) { return self }
        var shown = String.UnicodeScalarView()
        var count = 0
        for scalar in unicodeScalars {
            guard count < limit else {
                shown.append("…")
                break
            }
            count += 1
            if scalar.isPlain || keepsLineBreaks && scalar == "\n" {
                shown.append(scalar)
            } else if let byte = SystemText.byte(of: scalar) {
                shown.append(contentsOf: "\\x\(String(byte, radix: 16))".unicodeScalars)
            } else {
                shown.append(contentsOf: "\\u{\(String(scalar.value, radix: 16))}".unicodeScalars)
            }
        }
        return String(shown)
    }

    private func isPlainASCII(keepsLineBreaks: Bool) -> Bool {
        utf8.allSatisfy { (0x20..<0x7F).contains($0) || keepsLineBreaks && $0 == 0x0A }
    }

    /// The text without the white space around it, which copying and mail programs add.
    package var trimmed: String {
        guard let first = firstIndex(where: { !$0.isWhitespace }),
            let last = lastIndex(where: { !$0.isWhitespace })
        else { return "" }
        return String(self[first...last])
    }
}

extension Unicode.Scalar {
    /// Whether it is seen where it stands, and changes nothing else.
    ///
    /// Format characters hold the marks of direction, the zero-width ones and the tags; the ignorable ones are fillers
    /// and selectors that no terminal shows.
    package var isPlain: Bool {
        if isASCII { return (0x20..<0x7F).contains(value) }
        switch properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator:
            return false
        default:
            return !properties.isDefaultIgnorableCodePoint
        }
    }
}
