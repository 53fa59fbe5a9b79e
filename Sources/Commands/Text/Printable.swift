extension String {
    /// The text without control characters, which could move a terminal's cursor or worse; line breaks stay.
    ///
    /// For words of others: a peer's, or a friend's.
    var printable: String { printable(keeping: ["\n"]) }

    /// The same in one line.
    var printableLine: String { printable(keeping: []) }

    private func printable(keeping kept: Set<Unicode.Scalar>) -> String {
        var shown = String.UnicodeScalarView()
        for character in unicodeScalars {
            // Marks that turn the direction of writing lead astray as well as other line breaks do.
            let isMisleading =
                [.control, .lineSeparator, .paragraphSeparator].contains(character.properties.generalCategory)
                || character.properties.isBidiControl
            shown.append(isMisleading && !kept.contains(character) ? "\u{FFFD}" : character)
        }
        return String(shown)
    }

    /// The text without the white space around it, which copying and mail programs add.
    var trimmed: String {
        guard let first = firstIndex(where: { !$0.isWhitespace }),
            let last = lastIndex(where: { !$0.isWhitespace })
        else { return "" }
        return String(self[first...last])
    }
}
