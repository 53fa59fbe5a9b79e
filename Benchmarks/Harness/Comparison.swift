/// A run beside an earlier one: every number that both have, as a ratio.
enum Comparison {
    /// The report with its numbers divided by the earlier ones of the same suite, row and column.
    ///
    /// - Returns: `nil` where the earlier run has nothing of it.
    static func ratios(of report: Report, to earlier: RunReport) -> Report? {
        guard let before = earlier.suites.first(where: { $0.suite == report.suite }) else { return nil }
        var ratios = report
        ratios.summary = "This run divided by that of \(earlier.machine.date)"
        ratios.notes = []
        ratios.checks = []
        ratios.rows = report.rows.compactMap { row in
            guard let old = before.rows.first(where: { $0.name == row.name && $0.group == row.group }) else {
                return nil
            }
            var ratio = row
            ratio.figures = row.figures.compactMap { figure in
                guard let old = old.figures.first(where: { $0.heading == figure.heading }) else { return nil }
                return Figure(figure.heading, "", figure.value / old.value)
            }
            return ratio
        }
        return ratios.rows.isEmpty ? nil : ratios
    }
}
