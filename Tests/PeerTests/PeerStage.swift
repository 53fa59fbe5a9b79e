import Foundation
import Glibc
import PeerSupport

/// A temporary folder and the processes of one test; whatever becomes of it, nothing of them is left.
final class PeerStage: Sendable {
    /// Below the system's temporary folder; others may enter it, for peers change their user.
    let folder: URL
    private let processes = Watched<[CwayProcess]>([])

    private init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "cway-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o755])
    }

    /// Runs a test's `body`, then ends what it started and removes what it wrote.
    static func run<Value>(_ body: (PeerStage) async throws -> Value) async throws -> Value {
        let stage = try PeerStage()
        let result: Result<Value, any Error>
        do {
            result = .success(try await body(stage))
        } catch {
            result = .failure(error)
        }
        let processes = stage.processes.value
        // In order, so that what a peer has started ends with it.
        for process in processes { process.signal(SIGTERM) }
        for process in processes where (try? await process.end(within: .seconds(5))) == nil {
            process.discard()
            _ = try? await process.end(within: .seconds(5))
        }
        try? FileManager.default.removeItem(at: stage.folder)
        return try result.get()
    }

    /// A file or folder of the test; nothing need be there.
    func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    /// Writes a file of the test.
    @discardableResult
    func write(_ text: String, to name: String) throws -> String {
        try Data(text.utf8).write(to: folder.appendingPathComponent(name))
        return path(name)
    }

    /// The variables of `cway` in the home folder of that name.
    func variables(home: String) -> [String: String] {
        ["CWAY_HOME": path(home), "CWAY_ALLOW_LOCAL": "true"]
    }

    /// Starts a program behind a socket that `systemd-socket-activate` keeps, which gives no variables on by itself.
    func activated(
        at place: String, _ words: [String], variables: [String: String]
    ) async throws -> CwayProcess {
        let settings = variables.sorted { $0.key < $1.key }.map { "--setenv=\($0.key)=\($0.value)" }
        let process = try start(
            HeavyPeer.socketActivation.required(), settings + ["--listen=\(place)"] + words)
        try await process.logLine(with: "Listening on")
        return process
    }

    /// Starts `cway` in the home folder of that name.
    func cway(
        home: String, _ arguments: [String], environment: [String: String] = [:]
    ) throws -> CwayProcess {
        try start(
            ChildProcess.built("cway"), arguments,
            environment: variables(home: home).merging(environment) { $1 })
    }

    /// Starts any program.
    func start(
        _ program: URL, _ arguments: [String], environment: [String: String] = [:]
    ) throws -> CwayProcess {
        let process = try CwayProcess(program, arguments, environment: environment)
        processes.update { $0.append(process) }
        return process
    }
}
