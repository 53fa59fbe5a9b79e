internal import ArgumentParser
internal import Foundation

/// `swift run -c release Benchmarks`: runs suites, prints a table for each, and judges nothing.
@main
struct BenchmarksCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "Benchmarks",
        abstract: "Measures Companionway against what it is built on, in one process and in turns.",
        discussion: "Machines differ and drift: compare ratios, and times only within one run.")

    @Option(help: "A suite to run; may be given several times. All by default.")
    var suite: [SuiteName] = SuiteName.allCases

    @Option(help: "How long each row is measured.")
    var seconds = 1.0

    @Option(help: "How many turns each row's time is divided into.")
    var rounds = 9

    @Option(help: ArgumentHelp("Where the figures go as JSON, beside the table.", valueName: "file"))
    var json: String?

    func validate() throws {
        guard seconds > 0, seconds <= 3600 else { throw ValidationError("--seconds is above 0, up to 3600.") }
        guard rounds > 0, rounds <= 1000 else { throw ValidationError("--rounds is 1 to 1000.") }
    }

    func run() async throws {
        #if DEBUG
        print("This build is not optimised, so the figures mean nothing: add `-c release`.")
        #endif
        let plan = Plan(rounds: rounds, durationPerRow: .seconds(seconds))
        var reports: [Report] = []
        for name in suite {
            let suite = name.suite
            let report = Report(suite: name.rawValue, summary: suite.summary, rows: try await suite.run(plan))
            print(report.table)
            reports.append(report)
        }
        guard let json else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(reports).write(to: URL(fileURLWithPath: json), options: .atomic)
    }
}
