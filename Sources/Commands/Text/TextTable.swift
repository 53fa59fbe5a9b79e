internal import Node

/// Rows under a heading, in columns that are as wide as their widest entry: for people, who may paste it anywhere.
package struct TextTable {
    private static let gap = "  "

    private let heading: [String]
    private var rows: [[String]] = []

    package init(_ heading: String...) { self.heading = heading }

    /// Adds a row with an entry for each column; control characters in it are replaced.
    package mutating func add(_ entries: String...) {
        precondition(entries.count == heading.count, "a row has an entry for every column")
        rows.append(entries.map { $0.isEmpty ? "-" : $0.printableLine })
    }

    /// All of it, without a line break at the end.
    package var text: String {
        let lines = [heading] + rows
        let widths = heading.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        return lines.map { Self.line($0, widths) }.joined(separator: "\n")
    }

    private static func line(_ entries: [String], _ widths: [Int]) -> String {
        var line = ""
        for (entry, width) in zip(entries, widths) {
            if !line.isEmpty { line += gap }
            line += entry + String(repeating: " ", count: width - entry.count)
        }
        while line.last == " " { line.removeLast() }
        return line
    }
}
