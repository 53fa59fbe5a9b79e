internal import Foundation
internal import Glibc
internal import Synchronization

/// A process that the benchmark has started.
///
/// What it writes goes to files, so that it can neither block on them nor break. Its standard input is a pipe
/// that nobody else writes to: whoever watches it ends when the benchmark is gone, however that came. Foundation's
/// `Process` was seen to miss the end of a short-lived one.
final class Child: Sendable {
    private struct Ending {
        /// What waitpid(2) told; `nil` while it runs.
        var status: Int32?
        var isReaped = false
    }

    /// What it is, for messages.
    let name: String
    /// Its number.
    let id: Int32
    private let input = Pipe()
    private let outputPath: String
    private let complaintsPath: String
    private let ending = Mutex(Ending())

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
            .filter { !$0.key.hasPrefix("CWAY_") && !$0.key.hasPrefix("SSH_") }
            // What a process takes is read from /proc, which is closed to others otherwise.
            .merging(["CWAY_DEBUGGABLE": "yes"]) { $1 }
            .merging(environment) { $1 }
        id = try Self.spawn(
            [program] + arguments, variables,
            descriptors: [input.fileHandleForReading] + files)
        try input.fileHandleForReading.close()
        Thread.detachNewThread { [self] in wait() }
    }

    private static func spawn(
        _ words: [String], _ variables: [String: String], descriptors: [FileHandle]
    ) throws -> Int32 {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        for (target, handle) in descriptors.enumerated() {
            unsafe posix_spawn_file_actions_adddup2(&actions, handle.fileDescriptor, Int32(target))
        }
        // What it inherited would stay open when we close it: sockets, and ends of other pipes.
        let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap {
            Int32($0)
        }
        for descriptor in open where descriptor > 2 {
            unsafe posix_spawn_file_actions_addclose(&actions, descriptor)
        }
        // A group of its own: a Ctrl-C on the terminal is for us alone, who end it in order.
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        var arguments = unsafe words.map { unsafe strdup($0) } + [nil]
        var environment = unsafe variables.map { unsafe strdup("\($0.key)=\($0.value)") } + [nil]
        defer { unsafe (arguments + environment).forEach { unsafe free($0) } }
        var id: pid_t = 0
        let code = unsafe posix_spawn(&id, words[0], &actions, &attributes, &arguments, &environment)
        guard code == 0 else {
            throw Stage.Failure(description: "\(words[0]) cannot be started: error \(code)")
        }
        return id
    }

    private func wait() {
        var how = unsafe siginfo_t()
        // Without taking the end, so that the number stays the child's until nobody signals it any more.
        while unsafe waitid(P_PID, id_t(id), &how, WEXITED | WNOWAIT) < 0, errno == EINTR {}
        ending.withLock { ending in
            var status: Int32 = 0
            unsafe waitpid(id, &status, 0)
            ending = Ending(status: status, isReaped: true)
        }
    }

    /// Whether it has not ended.
    var isRunning: Bool { ending.withLock { !$0.isReaped } }

    /// Whether it has ended as a program does that has done its work.
    var hasSucceeded: Bool { ending.withLock { $0.status == 0 } }

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
    func signal(_ number: Int32) {
        ending.withLock { ending in
            if !ending.isReaped { _ = kill(id, number) }
        }
    }

    /// Removes what it has written.
    func removeFiles() {
        for path in [outputPath, complaintsPath] { try? FileManager.default.removeItem(atPath: path) }
    }

    private static func file(at path: String) throws -> FileHandle {
        try Foundation.Data().write(to: URL(fileURLWithPath: path), options: .withoutOverwriting)
        return try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    }
}
