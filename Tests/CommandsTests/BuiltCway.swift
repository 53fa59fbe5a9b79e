import Foundation
import Synchronization

/// The built `cway` run as a process, with a temporary folder of its own.
final class BuiltCway: Sendable {
    /// Where what it leaves behind would be found.
    let folder = TemporaryPath()
    private let process = Process()
    private let ended: AsyncStream<Never>

    /// Starts it; what it prints goes to a file of the test's, or to what is given.
    init(_ arguments: String..., flags: [String] = [], standardOutput: FileHandle? = nil) throws {
        let (ended, continuation) = AsyncStream.makeStream(of: Never.self)
        self.ended = ended
        // Swift Package Manager puts the test bundle and the executables side by side.
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let built = URL(fileURLWithPath: own).deletingLastPathComponent()
        try FileManager.default.createDirectory(atPath: folder.path, withIntermediateDirectories: true)
        try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
        process.executableURL = built.appendingPathComponent("cway")
        process.arguments = arguments + flags
        process.environment = ["TMPDIR": scratch, "PATH": "/usr/bin"]
        // The demo is the same whatever the user has set; every other command refuses this.
        if arguments.first == "demo" { process.environment?["CWAY_LOG_LEVEL"] = "nonsense" }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try standardOutput ?? Self.file(at: "\(folder.path)/output")
        process.standardError = try Self.file(at: "\(folder.path)/complaints")
        process.terminationHandler = { _ in continuation.finish() }
        try process.run()
    }

    /// Its folder for temporary files.
    var scratch: String { folder.path + "/scratch" }

    /// Its end: the code, or 128 and the signal.
    func code() async -> Int32 {
        for await _ in ended {}
        return process.terminationReason == .exit
            ? process.terminationStatus : 128 + process.terminationStatus
    }

    var output: String { text("output") }
    var complaints: String { text("complaints") }

    /// What stands in its folder for temporary files.
    var leftovers: [String] { (try? FileManager.default.contentsOfDirectory(atPath: scratch)) ?? ["?"] }

    /// The processes that work in that folder: their command lines by number.
    var descendants: [Int32: String] {
        let numbers = ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap(
            Int32.init)
        let commands = numbers.map { ($0, Self.commandLine(of: $0)) }
        return Dictionary(commands.filter { $0.1.contains(scratch) }) { first, _ in first }
    }

    /// Sends it a signal.
    func signal(_ signal: Int32) { kill(process.processIdentifier, signal) }

    /// Looks again and again, for half a minute at most.
    static func eventually(_ isTrue: () -> Bool) async throws -> Bool {
        for _ in 0..<3000 {
            if isTrue() { return true }
            try await Task.sleep(for: .milliseconds(10))
        }
        return isTrue()
    }

    private func text(_ name: String) -> String {
        String(
            decoding: FileManager.default.contents(atPath: "\(folder.path)/\(name)") ?? Data(), as: UTF8.self)
    }

    private static func commandLine(of process: Int32) -> String {
        let file = FileHandle(forReadingAtPath: "/proc/\(process)/cmdline")
        let bytes = (try? file?.readToEnd()) ?? Data()
        return String(decoding: bytes, as: UTF8.self).replacing("\0", with: " ")
    }

    private static func file(at path: String) throws -> FileHandle {
        try Data().write(to: URL(fileURLWithPath: path))
        return try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    }
}
