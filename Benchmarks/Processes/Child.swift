internal import Foundation
internal import Glibc
internal import Synchronization

/// A process that the benchmark has started.
///
/// What it writes goes to files, so that it can neither block on them nor break. Its standard input is a pipe that
/// nobody writes to: whoever watches it ends when the benchmark is gone, however that came.
final class Child: Sendable {
    /// What it is, for messages.
    let name: String
    private let process = Process()
    private let input = Pipe()
    private let outputPath: String
    private let complaintsPath: String
    private let ending = Mutex(Int32?.none)

    init(
        _ name: String, _ program: String, _ arguments: [String], environment: [String: String], in folder: String
    ) throws {
        self.name = name
        let stem = "\(folder)/\(name)-\(UUID().uuidString.prefix(8))"
        outputPath = stem + ".out"
        complaintsPath = stem + ".log"
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        // Settings of the user's own nodes and agents are none of the benchmark's business.
        process.environment = ProcessInfo.processInfo.environment
            .filter { !$0.key.hasPrefix("CWAY_") && !$0.key.hasPrefix("SSH_") }
            .merging(environment) { $1 }
        process.standardInput = input
        process.standardOutput = try Self.file(at: outputPath)
        process.standardError = try Self.file(at: complaintsPath)
        process.terminationHandler = { [weak self] process in
            self?.ending.withLock { $0 = process.terminationStatus }
        }
        try process.run()
    }

    /// Its number.
    var id: Int32 { process.processIdentifier }

    /// Whether it has not ended.
    var isRunning: Bool { ending.withLock { $0 == nil } }

    /// The code, or the signal, that it ended with.
    var exitCode: Int32? { ending.withLock { $0 } }

    /// What it has written to standard error.
    var complaints: String { (try? String(contentsOfFile: complaintsPath, encoding: .utf8)) ?? "" }

    /// Its first line of output, once it is there.
    ///
    /// - Throws: ``Stage/Failure`` when it ends without one, or is late.
    func firstLine(within limit: Duration = .seconds(20)) async throws -> String {
        let deadline = ContinuousClock.now + limit
        while ContinuousClock.now < deadline {
            let isRunning = isRunning
            let output = (try? String(contentsOfFile: outputPath, encoding: .utf8)) ?? ""
            if let end = output.firstIndex(of: "\n") { return String(output[..<end]) }
            guard isRunning else { break }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw Stage.Failure(description: "the \(name) did not get ready: \(complaints.suffix(400))")
    }

    /// Sends a signal, unless it has ended.
    func signal(_ number: Int32) {
        ending.withLock { ending in
            if ending == nil { _ = kill(id, number) }
        }
    }

    private static func file(at path: String) throws -> FileHandle {
        try Foundation.Data().write(to: URL(fileURLWithPath: path), options: .withoutOverwriting)
        return try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    }
}
