import Foundation
import PeerSupport

/// The built `cway` run as a process, with a temporary folder of its own.
final class BuiltCway: Sendable {
    /// Longer than any of the tests may take.
    private static let limit = Duration.seconds(180)

    /// Where what it leaves behind would be found.
    let folder = TemporaryPath()
    private let process: CwayProcess

    /// Starts it; what it prints is the test's, or goes to what is given.
    init(
        _ arguments: String..., flags: [String] = [], variables: [String: String] = [:],
        standardOutput: FileHandle? = nil
    ) throws {
        let scratch = folder.path + "/scratch"
        try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
        var environment = ["TMPDIR": scratch, "PATH": "/usr/bin"]
        // The demo is the same whatever the user has set; every other command refuses this.
        if arguments.first == "demo" { environment["CWAY_LOG_LEVEL"] = "nonsense" }
        environment.merge(variables) { $1 }
        process = try CwayProcess(
            ChildProcess.built("cway"), arguments + flags, environment: environment, inherits: false,
            outputFile: standardOutput)
    }

    /// Its folder for temporary files.
    private var scratch: String { folder.path + "/scratch" }

    /// Its end: the code, or 128 and the signal.
    func code() async throws -> Int32 {
        switch try await process.end(within: Self.limit) {
        case .exit(let code): code
        case .signal(let number): 128 + number
        }
    }

    var output: String { process.outputText }
    var complaints: String { process.log }

    /// Waits until it has printed a line with these words in it.
    ///
    /// - Throws: `CwayProcess.Failure` with its complaints, where it ends without or is late.
    func printed(_ words: String) async throws {
        // Foundation finds no empty text in any other.
        _ = try await process.line(within: Self.limit) { words.isEmpty || $0.contains(words) }
    }

    /// What stands in its folder for temporary files.
    var leftovers: [String] { (try? FileManager.default.contentsOfDirectory(atPath: scratch)) ?? ["?"] }

    /// The processes that work in that folder: their command lines by number.
    var descendants: [Int32: String] {
        let numbers = ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap(
            Int32.init)
        let commands = numbers.map { ($0, Self.commandLine(of: $0)) }
        return Dictionary(commands.filter { $0.1.contains(scratch) }) { first, _ in first }
    }

    /// Looks whether its processes are gone, for half a minute at most: the system says it to their parent alone.
    func hasNoDescendants() async throws -> Bool {
        for _ in 0..<3000 {
            if descendants.isEmpty { return true }
            try await Task.sleep(for: .milliseconds(10))
        }
        return descendants.isEmpty
    }

    /// Sends it a signal.
    func signal(_ signal: Int32) { process.signal(signal) }

    private static func commandLine(of process: Int32) -> String {
        let file = FileHandle(forReadingAtPath: "/proc/\(process)/cmdline")
        let bytes = (try? file?.readToEnd()) ?? Data()
        return String(decoding: bytes, as: UTF8.self).replacing("\0", with: " ")
    }
}
