/// The order of what a help text says: what it is for and how it is called first, what few look up last.
package enum HelpText {
    /// The text with its rare options and its exit codes behind everything else.
    package static func ordered(_ text: String) -> String {
        var front = text.split(separator: "\n", omittingEmptySubsequences: false)[...]
        let rare = cut(from: "\(RareOptions.title.uppercased()):", until: \.isEmpty, of: &front)
        let codes = cut(from: "EXIT CODES", until: { $0.hasPrefix("USAGE:") }, of: &front)
        if let usage = front.firstIndex(where: { $0.hasPrefix("USAGE:") }) {
            front[usage] = RareOptions.usage.reduce(front[usage]) { $0.replacing(" \($1)", with: "") }
        }
        return [front, rare, codes].map(trimmed).filter { !$0.isEmpty }.joined(separator: "\n\n")
    }

    /// Takes out the lines from a heading up to where something else begins.
    private static func cut(
        from heading: String, until isEnd: (Substring) -> Bool, of lines: inout ArraySlice<Substring>
    ) -> ArraySlice<Substring> {
        guard let start = lines.firstIndex(where: { $0 == heading }),
            let end = lines[start...].firstIndex(where: isEnd)
        else { return [] }
        let part = lines[start..<end]
        lines = lines[..<start] + lines[end...].drop(while: \.isEmpty)
        return part
    }

    private static func trimmed(_ lines: ArraySlice<Substring>) -> String {
        var lines = lines
        while lines.last?.isEmpty == true { lines.removeLast() }
        return lines.joined(separator: "\n")
    }
}
