internal import Foundation
internal import PeerSupport

/// A process that the benchmark has started.
///
/// What it writes goes to files, so that it can neither block on them nor break. Its standard input is a pipe
/// that nobody else writes to: a program that watches it ends when the benchmark is gone, however that came.
final class Child: Sendable {
    /// What it is, for messages.
    let name: String
    private let process: ChildProcess
    private let input = Pipe()
    private let outputPath: String
    private let complaintsPath: String

    init(
        _ name: String, _ program: String, _ arguments: [String], environment: [String: String],
        in folder: String
    ) throws {
        self.name = name
        let stem = "\(folder)/\(name)-\(UUID().uuidString.prefix(8))"
        outputPath = stem + ".out"
        complaintsPath = stem + ".log"
        let files = try [outputPath, complaintsPath].map(Self.file)
        // Settings of the user's own nodes and agents are none of the benchmark's business.
        let variables = ProcessInfo.processInfo.environment
            .filter { !$0.key.hasPrefix("CWAY_") && !$0.key.hasPrefix("SSH_") || $0.key == "CWAY_CIPHER" }
            // What a process takes is read from /proc, which is closed to others otherwise.
            .merging(["CWAY_DEBUGGABLE": "yes"]) { $1 }
            .merging(environment) { $1 }
        // A group of its own: the benchmark ends it in order.
        process = try ChildProcess(
            program, arguments, environment: variables,
            streams: [input.fileHandleForReading] + files, inOwnGroup: true)
        try input.fileHandleForReading.close()
    }

    /// Its number.
    var id: Int32 { process.id }

    /// Whether it has not ended.
    var isRunning: Bool { process.ending == nil }

    /// Whether it has ended as a program does that has done its work.
    var hasSucceeded: Bool { process.ending == .exit(0) }

    /// What it has written to standard error.
    var complaints: String { (try? String(contentsOfFile: complaintsPath, encoding: .utf8)) ?? "" }

    /// The lines of output that are whole.
    private var lines: [String] {
        let output = (try? String(contentsOfFile: outputPath, encoding: .utf8)) ?? ""
        return output.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
    }

    /// How many lines it has written.
    var lineCount: Int { lines.count }

    /// Writes a line to its standard input.
    func say(_ line: String) throws {
        try input.fileHandleForWriting.write(contentsOf: Foundation.Data((line + "\n").utf8))
    }

    /// Its first line of output, once it is there.
    ///
    /// - Throws: ``Stage/Failure`` when it ends without one, or is late.
    func firstLine(within limit: Duration = .seconds(20)) async throws -> String {
        try await line(0, within: limit)
    }

    /// One of its lines of output, once it is there.
    ///
    /// - Throws: ``Stage/Failure`` when it ends without it, or is late.
    func line(_ index: Int, within limit: Duration = .seconds(20)) async throws -> String {
        let deadline = ContinuousClock.now + limit
        while ContinuousClock.now < deadline {
            let isRunning = isRunning
            let lines = lines
            if lines.count > index { return lines[index] }
            guard isRunning else { break }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw Stage.Failure(description: "the \(name) did not get ready: \(complaints.suffix(400))")
    }

    /// Sends a signal, unless it has ended.
    func signal(_ number: Int32) { process.signal(number) }

    /// Removes what it has written.
    func removeFiles() {
        for path in [outputPath, complaintsPath] { try? FileManager.default.removeItem(atPath: path) }
    }

    private static func file(at path: String) throws -> FileHandle {
        try Foundation.Data().write(to: URL(fileURLWithPath: path), options: .withoutOverwriting)
        return try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    }
}
