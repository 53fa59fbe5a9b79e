/// One number of a row.
struct Figure: Codable, Sendable {
    /// What is told.
    var name: String
    /// `ns`, `GB/s`, or empty for a ratio.
    var unit: String
    /// The number; of several rounds, the median.
    var value: Double
    /// The least and the greatest of the rounds, where that is told.
    var range: ClosedRange<Double>?

    /// One number.
    init(_ name: String, _ unit: String = "", _ value: Double) {
        (self.name, self.unit, self.value) = (name, unit, value)
    }

    /// The median of several rounds, and how far they lie apart.
    init(_ name: String, _ unit: String = "", of rounds: [Double]) {
        self.init(name, unit, rounds.median)
        let known = rounds.filter { !$0.isNaN }
        if let least = known.min(), let greatest = known.max() { range = least...greatest }
    }
}

/// What one measurement found.
struct Row: Codable, Sendable {
    /// What was measured.
    var name: String
    /// What was found; the first number is the one that the bar shows.
    var figures: [Figure]
    /// Rows of a group are compared with one another.
    var group = ""
}

/// Something that has to hold on every machine.
struct Check: Codable, Sendable {
    /// What has to hold.
    var name: String
    /// Whether it does.
    var isPassed: Bool
    /// What was found.
    var found: String
}

/// What a suite found.
struct Findings: Sendable {
    /// One per measurement.
    var rows: [Row] = []
    /// What has to be known to read them, what is missing included.
    var notes: [String] = []
    /// What was checked on the way.
    var checks: [Check] = []
}

/// What a suite found, for the table and for the file.
struct Report: Codable, Sendable {
    /// The suite's name.
    var suite: String
    /// What it measures.
    var summary: String
    /// One per measurement.
    var rows: [Row]
    /// What has to be known to read them.
    var notes: [String]
    /// What was checked on the way.
    var checks: [Check]

    /// The report of a suite.
    init(_ name: SuiteName, summary: String, _ findings: Findings) {
        self.suite = name.rawValue
        self.summary = summary
        rows = findings.rows
        notes = findings.notes
        checks = findings.checks
    }
}

/// Everything that one run found.
struct RunReport: Codable, Sendable {
    /// Where and when it was.
    var machine: Machine
    /// In the order in which they ran.
    var suites: [Report]
}

extension [Double] {
    /// The middle of the numbers, those that could not be had left out.
    var median: Double {
        let sorted = filter { !$0.isNaN }.sorted()
        guard !sorted.isEmpty else { return .nan }
        let middle = sorted.count / 2
        return sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
    }

    /// Each number divided by the other's of the same round.
    func divided(by others: [Double]) -> [Double] { zip(self, others).map { $0 / $1 } }
}
