/// A report as text: columns aligned, and a bar per row.
struct Table {
    /// How wide a bar gets.
    private static let barWidth = 20

    /// What is shown.
    let report: Report

    /// The text, ending in a line break.
    var text: String {
        var lines = [report.summary]
        let headings = headings
        let cells = report.rows.map { row in
            [row.name] + headings.map { text(of: $0, in: row) } + [bar(of: row)]
        }
        let heading = [report.suite] + headings + [""]
        let widths = heading.indices.map { column in
            ([heading] + cells).map { $0[column].count }.max() ?? 0
        }
        lines.append(line(heading, widths))
        var group = ""
        for (row, cells) in zip(report.rows, cells) {
            if row.group != group {
                group = row.group
                lines.append(" \(group)")
            }
            lines.append(line(cells, widths))
        }
        lines += report.notes.map { "  note: \($0)" }
        lines += report.checks.map { "  \($0.isPassed ? "holds" : "FAILS"): \($0.name): \($0.found)" }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The columns, in the order in which rows name them.
    private var headings: [String] {
        var headings: [String] = []
        for figure in report.rows.flatMap(\.figures) where !headings.contains(figure.heading) {
            headings.append(figure.heading)
        }
        return headings
    }

    private func text(of heading: String, in row: Row) -> String {
        row.figures.first { $0.heading == heading }?.text ?? ""
    }

    private func bar(of row: Row) -> String {
        guard let value = row.figures.first?.value, !value.isNaN else { return "" }
        let longest =
            report.rows.filter { $0.group == row.group }.compactMap(\.figures.first?.value).max() ?? 0
        guard longest > 0 else { return "" }
        let eighths = Int((value / longest * Double(Self.barWidth * 8)).rounded())
        let rest = eighths % 8
        let end = rest == 0 ? "" : String(Array("▏▎▍▌▋▊▉")[rest - 1])
        return String(repeating: "█", count: eighths / 8) + end
    }

    /// Names and bars begin at the left, numbers end at the right.
    private func line(_ cells: [String], _ widths: [Int]) -> String {
        let padded = zip(cells, widths).enumerated().map { column, cell in
            let padding = String(repeating: " ", count: cell.1 - cell.0.count)
            return column == 0 || column == cells.count - 1 ? cell.0 + padding : padding + cell.0
        }
        var text = "  " + padded.joined(separator: "  ")
        while text.last == " " { text.removeLast() }
        return text
    }
}

extension Figure {
    /// The column.
    var heading: String { unit.isEmpty ? name : "\(name), \(unit)" }

    /// The number, and the range behind it.
    var text: String {
        guard let range else { return Self.text(value) }
        return "\(Self.text(value)) (\(Self.text(range.lowerBound))–\(Self.text(range.upperBound)))"
    }

    /// Three or more significant digits, as many as such a measurement is worth.
    static func text(_ value: Double) -> String {
        guard value.isFinite, value.magnitude < 1e15 else { return "–" }
        let fractionDigits = value.magnitude >= 100 ? 0 : value.magnitude >= 10 ? 1 : 2
        let scale = fractionDigits == 0 ? 1.0 : fractionDigits == 1 ? 10.0 : 100.0
        let scaled = Int((value.magnitude * scale).rounded())
        let sign = value < 0 && scaled > 0 ? "-" : ""
        guard fractionDigits > 0 else { return sign + String(scaled) }
        let fraction = String(scaled % Int(scale))
        let zeros = String(repeating: "0", count: fractionDigits - fraction.count)
        return "\(sign)\(scaled / Int(scale)).\(zeros)\(fraction)"
    }
}
