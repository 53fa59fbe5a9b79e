internal import FoundationEssentials
internal import Node

/// What a demo has measured, for scripts and for people.
package protocol DemoReport: Encodable {
    /// How long all of it took.
    var totalSeconds: Double { get }
    /// Where the folder is, if it was kept.
    var folder: String? { get }
    /// What people are shown, but for the last line.
    var rows: [DemoRow] { get }
}

/// A step that was played.
package struct DemoStep: Encodable, Sendable {
    let title: String
    let seconds: Double
}

/// A line of the table at the end: what was measured, what came of it, and a remark.
package struct DemoRow {
    let name, value, remark: String

    init(_ name: String, _ value: String, _ remark: String) {
        (self.name, self.value, self.remark) = (name, value, remark)
    }
}

extension DemoReport {
    /// For scripts.
    package func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    /// For people.
    package var table: String {
        let last = DemoRow(
            "all of it", "\(totalSeconds.text(decimals: 1)) s",
            folder == nil ? "and nothing left behind" : "and the folder kept")
        return (rows + [last]).map { row in
            let gap = String(repeating: " ", count: max(0, 12 - row.value.count))
            return "   " + row.name.padded(to: 16) + gap + row.value + "   " + row.remark
        }.joined(separator: "\n")
    }
}
