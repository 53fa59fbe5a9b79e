internal import ArgumentParser
internal import BoxStream
internal import Foundation
internal import Glibc
internal import Node
internal import Transport

/// `swift run -c release Benchmarks`: runs suites and prints a table for each; it judges what no machine may
/// change.
@main
struct BenchmarksCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "Benchmarks",
        abstract: "Measures Companionway, beside what it is built on and beside other programs, in turns.",
        discussion: """
            Without arguments everything is measured quickly, in less than three minutes. Machines differ \
            and drift: compare ratios, which come from turns within one run. Exit code 1 means that \
            something failed which does not depend on the machine. Everything stays on the loopback interface.
            """,
        subcommands: [BareRelayCommand.self, FleetCommand.self])

    @Option(help: "The suites to run, separated by commas. All but oracle by default.")
    var suite: SuiteList?

    @Option(help: "How long each contender is measured per row, in all rounds together.")
    var seconds: Double?

    @Option(help: "How many turns each contender's time is divided into.")
    var rounds: Int?

    @Option(help: "How many tries each class gets in the suite oracle.")
    var tries: Int?

    @Option(help: ArgumentHelp("Where the figures go as JSON, beside the table.", valueName: "file"))
    var json: String?

    @Option(help: ArgumentHelp("Print ratios to an earlier run's --json.", valueName: "file"))
    var compare: String?

    @Option(
        help: ArgumentHelp(
            "Measure this build of `cway` in place of the one beside the benchmarks.", valueName: "program"))
    var cway: String?

    @Flag(help: "Measure other programs too, where they are installed: OpenSSH and stunnel.")
    var peers = false

    @Flag(
        help:
            "In the suite hostile, also 5,000 handshakes that are left, and 10,000 endpoints that come back.")
    var long = false

    @Flag(help: "In the suite cluster, simulate the machines in this process.")
    var simulate = false

    @Option(help: "In the suite cluster, let faults strike simulated machines for so many minutes.")
    var minutes: Double?

    @Option(help: "What the faults are drawn from.")
    var seed: UInt64 = 1

    @Option(help: "How many machines are simulated.")
    var machines = 64

    @Option(help: "How many endpoints are simulated, most of them hidden with 48 tokens each.")
    var endpoints = 10_000

    @Option(
        help: ArgumentHelp("In the suite hostile, only rows whose name has this in it.", valueName: "text"))
    var attack: String?

    func validate() throws {
        if let seconds {
            guard seconds > 0, seconds <= 3600 else {
                throw ValidationError("--seconds is above 0, up to 3600.")
            }
        }
        if let tries {
            guard tries > 0, tries <= 1_000_000 else {
                throw ValidationError("--tries is 1 to 1000000.")
            }
        }
        if let minutes {
            guard minutes > 0, minutes <= 1440 else {
                throw ValidationError("--minutes is above 0, up to 1440.")
            }
        }
        guard (2...256).contains(machines) else { throw ValidationError("--machines is 2 to 256.") }
        guard (machines...10_000_000).contains(endpoints) else {
            throw ValidationError("--endpoints is as many as machines at least, 10000000 at most.")
        }
        if let rounds {
            guard rounds > 0, rounds <= 1000 else { throw ValidationError("--rounds is 1 to 1000.") }
        }
    }

    func run() async throws {
        // As in `cway`: some of its clients run in this process.
        ProcessMemory.keepBuffers()
        ProcessDescriptors.raiseLimit()
        #if DEBUG
        print("This build is not optimised, so the figures mean nothing: add `-c release`.")
        #endif
        let earlier = try compare.map(Self.read)
        if let name = ProcessInfo.processInfo.environment["CWAY_CIPHER"] { try CipherChoice.use(name) }
        let stage = try Stage(cway: cway)
        let interruption = Interruption(stage)
        defer { interruption.finish() }
        let plan = Plan(
            chosenRounds: rounds, chosenSeconds: seconds, chosenTries: tries, withPeers: peers,
            isLong: long, attack: attack,
            cluster: ClusterPlan(
                isSimulated: simulate, minutes: minutes, seed: seed, machineCount: machines,
                endpointCount: endpoints),
            stage: stage)
        var report = RunReport(machine: .current, suites: [])
        print(report.machine.line + "\n")
        for name in suite?.names ?? SuiteName.usual {
            let suite = name.suite
            let findings = try await suite.run(plan)
            let part = Report(name, summary: suite.summary, findings)
            print(Table(report: part).text)
            if let earlier, let ratios = Comparison.ratios(of: part, to: earlier) {
                print(Table(report: ratios).text)
            }
            report.suites.append(part)
        }
        if let json { try write(report, to: json) }
        let failed = report.suites.flatMap(\.checks).filter { !$0.isPassed }
        guard failed.isEmpty else { throw ExitCode(1) }
    }

    private static func read(_ path: String) throws -> RunReport {
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return try decoder.decode(
            RunReport.self, from: Foundation.Data(contentsOf: URL(fileURLWithPath: path)))
    }

    private func write(_ report: RunReport, to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        try encoder.encode(report).write(to: URL(fileURLWithPath: path), options: .atomic)
    }
}
