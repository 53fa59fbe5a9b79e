internal import ArgumentParser

/// A group of measurements that run and are reported together.
protocol Suite: Sendable {
    /// What is measured, for the line above the table.
    var summary: String { get }

    /// Measures, one row after another.
    func run(_ plan: Plan) async throws -> [Row]
}

/// The suites there are; a further one needs a case here and a folder of its own.
enum SuiteName: String, CaseIterable, ExpressibleByArgument {
    case box

    /// The suite of that name.
    var suite: any Suite {
        switch self {
        case .box: BoxSuite()
        }
    }
}

/// How long to measure.
struct Plan: Sendable {
    /// How many turns each contender gets per row.
    var rounds: Int
    /// The time for all turns of a row.
    var durationPerRow: Duration
}
