internal import Foundation
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
    private let process = Process()
    private let input = Pipe()
    private let outputPath: String
    private let logPath: String
    private let end = Mutex(Ending?.none)

    /// Starts the command.
    init(
        _ role: Role, _ arguments: [String], number: Int, in folder: String, executable: URL
    ) throws {
        self.role = role
        outputPath = "\(folder)/\(number)-\(role).out"
        logPath = "\(folder)/\(number)-\(role).log"
        process.executableURL = executable
        process.arguments = arguments
        // The demo is the same wherever it runs: settings of the user's own nodes are none of its business.
        var environment = ProcessInfo.processInfo.environment.filter {
            !$0.key.hasPrefix("CWAY_") || $0.key == ProcessSetup.cipherVariable
        }
        // All of it is on this machine, so the invite leads there: every role says for itself that it may.
        environment["CWAY_ALLOW_LOCAL"] = "true"
        // The system is asked for its sockets, which it tells of no process that is closed to others.
        environment[ProcessSetup.debuggingVariable] = "yes"
        process.environment = environment
        process.standardInput = input
        process.standardOutput = try Self.file(at: outputPath)
        process.standardError = try Self.file(at: logPath)
        process.terminationHandler = { [weak self] process in
            let ending: Ending =
                process.terminationReason == .exit
                ? .exited(process.terminationStatus) : .killed(signal: process.terminationStatus)
            self?.end.withLock { $0 = ending }
        }
        try process.run()
    }

    var identifier: Int32 { process.processIdentifier }

    /// How it ended; `nil` while it runs.
    var ending: Ending? { end.withLock { $0 } }

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
        if ending == nil { kill(identifier, signal) }
    }

    private static func file(at path: String) throws -> FileHandle {
        try Data().write(to: URL(fileURLWithPath: path), options: .withoutOverwriting)
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        return file
    }

    private static func lines(of path: String) -> [Substring] {
        guard let bytes = FileManager.default.contents(atPath: path) else { return [] }
        // What follows the last line break is not complete yet.
        return String(decoding: bytes, as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false).dropLast()
    }
}

/// Asks the system for the TCP ports that a process listens on.
enum ListeningSockets {
    /// How many there are; `nil` where the system does not tell.
    ///
    /// Source: proc(5), `/proc/PID/fd` and `/proc/net/tcp`; state 0A is LISTEN.
    static func count(of process: Int32) -> Int? {
        let folder = "/proc/\(process)/fd"
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder),
            let tables = try? ["tcp", "tcp6"].map({ try lines(of: "/proc/\(process)/net/\($0)") })
        else { return nil }
        let own = Set(
            names.compactMap { try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)") }
        )
        return tables.joined().count { line in
            let fields = line.split(separator: " ")
            return fields.count > 9 && fields[3] == "0A" && own.contains("socket:[\(fields[9])]")
        }
    }

    private static func lines(of path: String) throws -> [Substring] {
        // Such files have no length, so they are read until they end.
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        defer { try? file.close() }
        return String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self).split(separator: "\n")
    }
}
