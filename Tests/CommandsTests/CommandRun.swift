import Commands
import Foundation
import Node
import Synchronization
import Testing

/// A command line run in an environment of its own, and what came of it.
struct CommandRun: Sendable {
    let code: Int32
    let output: String
    let complaints: String

    /// The environment of whoever does not say another: every portal of a test is on this machine, so invites and
    /// friends may name such ones.
    static let environment = ["CWAY_ALLOW_LOCAL": "true"]

    init(_ arguments: String..., environment: [String: String] = environment) async {
        await self.init(arguments, environment: environment)
    }

    /// Runs it; `input` is what there is to read, and a terminal where it is `isInteractive`; `answer` is what is typed
    /// when something secret is asked for.
    init(
        _ arguments: [String], environment: [String: String] = environment, input lines: [String] = [],
        isInteractive: Bool = false, isOutputTerminal: Bool = false, answer: String? = nil
    ) async {
        let output = Transcript()
        let complaints = Transcript()
        let input = Mutex(lines[...])
        let hiddenInput: CommandEnvironment.HiddenInput? = answer.map { answer in
            { @Sendable _, _ in answer }
        }
        let environment = CommandEnvironment(
            environment: environment, output: { output.append($0) }, complaints: { complaints.append($0) },
            input: { input.withLock { $0.popFirst() } }, isInteractive: isInteractive,
            isOutputTerminal: isOutputTerminal, hiddenInput: hiddenInput)
        code = await CommandEnvironment.$current.withValue(environment) {
            await CwayCommand.execute(arguments)
        }
        self.output = output.text
        self.complaints = complaints.text
    }
}

extension CommandRun {
    /// The lines of its output.
    var lines: [String] { output.split(separator: "\n").map(String.init) }

    /// The JSON object that it printed.
    var object: [String: Any] {
        get throws {
            let value = try JSONSerialization.jsonObject(with: Data(output.utf8))
            return value as? [String: Any] ?? [:]
        }
    }

    /// The JSON array of objects that it printed.
    var list: [[String: Any]] {
        get throws {
            let value = try JSONSerialization.jsonObject(with: Data(output.utf8))
            return value as? [[String: Any]] ?? []
        }
    }

    /// Whether it ended so.
    func ended(_ status: Node.ExitStatus) -> Bool { code == status.rawValue }
}

/// A home folder of a test's own, and commands that are run with it.
final class TestedHome: Sendable {
    static let portal = "net:portal.example.org:8008~shs:51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8="

    private let folder = TemporaryPath()

    var path: String { folder.path }

    func run(_ arguments: String..., input: [String] = [], isInteractive: Bool = false) async -> CommandRun {
        await CommandRun(arguments + ["--home", path], input: input, isInteractive: isInteractive)
    }

    /// The id of the identity in it.
    func id() async -> String { await run("id").lines.first ?? "" }

    /// Takes over the identity and the backup of another home, as a person would who copies files.
    func take(from other: TestedHome) throws {
        let files = FileManager.default
        try files.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try files.copyItem(atPath: other.path + "/secret", toPath: path + "/secret")
        try files.copyItem(atPath: other.path + "/keyring.vault", toPath: path + "/keyring.vault")
        try files.copyItem(atPath: other.path + "/copy", toPath: path + "/keyring.mdb")
    }

    /// Makes an invite there.
    func invite(_ options: String...) async throws -> String {
        let run = await CommandRun(["invite", "create", "--home", path] + options)
        return try #require(run.lines.first, "\(run.complaints)")
    }
}

/// Text that several threads may append to.
final class Transcript: Sendable {
    private let content = Mutex("")

    var text: String { content.withLock { $0 } }

    func append(_ words: String) { content.withLock { $0 += words } }
}

/// A folder name of a test's own below the temporary folder; nothing is there yet.
final class TemporaryPath: Sendable {
    let path = FileManager.default.temporaryDirectory.path + "/companionway-\(UUID().uuidString)"

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
