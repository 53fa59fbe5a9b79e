/// One number of a row.
struct Figure: Codable, Sendable {
    /// The column.
    var name: String
    /// `ns`, `GB/s`, or empty for a ratio.
    var unit: String
    /// The number.
    var value: Double
}

/// What one measurement found; all rows of a suite have the same columns.
struct Row: Codable, Sendable {
    /// What was measured.
    var name: String
    /// What was found.
    var figures: [Figure]
}

/// What a suite found.
struct Report: Codable, Sendable {
    /// The suite's name.
    var suite: String
    /// What it measures.
    var summary: String
    /// One per measurement.
    var rows: [Row]

    /// The rows as text, columns aligned.
    var table: String {
        let heading = [suite] + (rows.first?.figures.map(\.heading) ?? [])
        let lines = [heading] + rows.map { [$0.name] + $0.figures.map(\.text) }
        let widths = heading.indices.map { column in
            lines.map { $0.count > column ? $0[column].count : 0 }.max() ?? 0
        }
        let text = lines.map { cells in
            zip(cells, widths).enumerated().map { column, cell in
                let padding = String(repeating: " ", count: cell.1 - cell.0.count)
                return column == 0 ? cell.0 + padding : padding + cell.0
            }.joined(separator: "  ")
        }
        return ([summary] + text).joined(separator: "\n") + "\n"
    }
}

extension Figure {
    fileprivate var heading: String { unit.isEmpty ? name : "\(name), \(unit)" }

    /// Three or more significant digits, as many as such a measurement is worth.
    fileprivate var text: String {
        let fractionDigits = value >= 100 ? 0 : value >= 10 ? 1 : 2
        let scale = fractionDigits == 0 ? 1.0 : fractionDigits == 1 ? 10.0 : 100.0
        let scaled = Int((value * scale).rounded())
        guard fractionDigits > 0 else { return String(scaled) }
        let fraction = String(scaled % Int(scale))
        let zeros = String(repeating: "0", count: fractionDigits - fraction.count)
        return "\(scaled / Int(scale)).\(zeros)\(fraction)"
    }
}
