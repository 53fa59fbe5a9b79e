internal import FoundationEssentials
internal import Glibc
internal import Node
internal import Synchronization

/// One of the demo's processes: a `cway` command with a home of its own.
///
/// What it writes goes to files, not pipes: it can neither block on them nor break, and they can be kept. Its standard
/// input is a pipe that nobody writes to; the process ends with it, so also when the demo is killed.
final class DemoProcess: Sendable {
    /// What it is in the demo.
    enum Role: String, CaseIterable {
        case portal, owner, friend, stranger
        /// A friend who wants everything and reads nothing.
        case flooder
        /// The removed friend, under a key that nobody has seen.
        case disguised
        /// One portal on three machines.
        case machineA, machineB, machineC
        /// What these machines talk over.
        case natsA, natsB, natsC

        /// The machines of the portal in the demo of a cluster.
        static let machines = [machineA, machineB, machineC]
        /// Their NATS servers.
        static let servers = [natsA, natsB, natsC]
        /// Those in the demo of one portal.
        static let people = allCases.filter { !(machines + servers).contains($0) }
    }

    /// How it ended.
    enum Ending: Equatable, CustomStringConvertible {
        case exited(Int32)
        case killed(signal: Int32)

        var description: String {
            switch self {
            case .exited(let code): "exited with code \(code)"
            case .killed(let signal): "was killed by signal \(signal)"
            }
        }
    }

    /// How often a process is looked at: an hundredth of a second is soon enough for people.
    static let interval = Duration.milliseconds(10)

    let role: Role
    private let program: OwnProgram
    /// The end of its input that nobody writes to; closed with this value, or by the system.
    private let input: Int32
    private let outputPath: String
    private let logPath: String
    private let end = Mutex(Ending?.none)

    /// Starts the command, or another program.
    ///
    /// - Throws: ``CommandFailure``.
    init(
        _ role: Role, _ arguments: [String], of other: String? = nil, number: Int, in folder: String
    ) throws(CommandFailure) {
        self.role = role
        outputPath = "\(folder)/\(number)-\(role).out"
        logPath = "\(folder)/\(number)-\(role).log"
        // The demo is the same wherever it runs: settings of the user's own nodes are none of its business.
        var environment = ProcessText.environment.filter {
            !$0.key.hasPrefix("CWAY_") || $0.key == ProcessSetup.cipherVariable
        }
        // All of it is on this machine, so the invite leads there: every role says for itself that it may.
        environment["CWAY_ALLOW_LOCAL"] = "true"
        // The system is asked for its sockets, which it tells of no process that is closed to others.
        environment[ProcessSetup.debuggingVariable] = "yes"
        let ends: (reading: Int32, writing: Int32)
        do throws(OwnProgram.Failure) {
            ends = try OwnProgram.inputPipe()
            defer { close(ends.reading) }
            program = try OwnProgram(
                starting: arguments,
                in: .init(
                    environment: environment, input: ends.reading, outputPath: outputPath, errorPath: logPath,
                    program: other))
        } catch {
            throw CommandFailure(.unexpected, "the \(role) could not be started: \(error)")
        }
        input = ends.writing
    }

    deinit { close(input) }

    var identifier: Int32 { program.id }

    /// How it ended; `nil` while it runs.
    var ending: Ending? { end.withLock { settle(&$0) } }

    /// Takes the end where it has come, so that its number is signalled no more.
    private func settle(_ end: inout Ending?) -> Ending? {
        if end == nil, let status = program.takeEnd() {
            // See wait(2): the low seven bits are the signal, the next eight the code.
            end = status & 0x7F == 0 ? .exited(status >> 8 & 0xFF) : .killed(signal: status & 0x7F)
        }
        return end
    }

    /// The lines that are complete in what it has written to standard output.
    var output: [Substring] { Self.lines(of: outputPath) }

    /// The lines that are complete in what it has written to standard error.
    var log: [Substring] { Self.lines(of: logPath) }

    /// Its first line of output, once it is there.
    ///
    /// - Throws: ``CommandFailure`` when the process ends without one.
    func firstLine() async throws -> String {
        while true {
            // Asked in this order, because a process may say something and end in between.
            let ending = ending
            if let line = output.first { return String(line) }
            if let ending { throw CommandFailure(.unexpected, "the \(role) \(ending) before it was ready") }
            try await Task.sleep(for: Self.interval)
        }
    }

    /// Waits for its end.
    func ended() async throws -> Ending {
        while true {
            if let ending { return ending }
            try await Task.sleep(for: Self.interval)
        }
    }

    /// Sends a signal, unless it has ended.
    func signal(_ signal: Int32) {
        end.withLock { if settle(&$0) == nil { kill(identifier, signal) } }
    }

    private static func lines(of path: String) -> [Substring] {
        guard let bytes = FileManager.default.contents(atPath: path) else { return [] }
        // What follows the last line break is not complete yet.
        return String(decoding: bytes, as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false).dropLast()
    }
}
