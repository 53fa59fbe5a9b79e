import Foundation
import PeerSupport
import Testing

/// A temporary folder and the processes of one test; whatever becomes of it, nothing of them is left.
final class Stage: Sendable {
    /// Below the system's temporary folder, for its owner alone.
    let folder: URL
    private let processes = Watched<[CwayProcess]>([])
    private let services = Watched<[LocalService]>([])

    private init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "cway-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    }

    /// Runs a test's `body`, then ends what it started and removes what it wrote.
    static func run<Value>(_ body: (Stage) async throws -> Value) async throws -> Value {
        let stage = try Stage()
        let result: Result<Value, any Error>
        do {
            result = .success(try await body(stage))
        } catch {
            result = .failure(error)
        }
        let processes = stage.processes.value
        for process in processes { process.discard() }
        for process in processes { _ = try? await process.end(within: .seconds(5)) }
        for service in stage.services.value { await service.stop() }
        stage.expectNoSecretSaid()
        try? FileManager.default.removeItem(at: stage.folder)
        return try result.get()
    }

    /// A file or folder of the test; nothing need be there.
    func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    /// Starts `cway` in the home folder of that name.
    func cway(
        home: String, _ arguments: [String], environment: [String: String] = [:], input: FileHandle? = nil,
        outputFile: FileHandle? = nil,
        errorFile: FileHandle? = nil
    ) throws -> CwayProcess {
        try start(
            Cway.program(), arguments,
            environment: [
                "CWAY_HOME": path(home), "CWAY_ALLOW_LOCAL": "true",
                // So that the tests may look into its memory, whoever runs them.
                "CWAY_DEBUGGABLE": "yes",
            ].merging(environment) { $1 }, input: input, outputFile: outputFile, errorFile: errorFile)
    }

    /// Starts any program.
    func start(
        _ program: URL, _ arguments: [String], environment: [String: String] = [:],
        input: FileHandle? = nil, outputFile: FileHandle? = nil, errorFile: FileHandle? = nil
    ) throws -> CwayProcess {
        let process = try CwayProcess(
            program, arguments, environment: environment, input: input, outputFile: outputFile,
            errorFile: errorFile)
        processes.update { $0.append(process) }
        return process
    }

    /// Starts a service of the test itself.
    func service(_ kind: LocalService.Kind) async throws -> LocalService {
        let service = try await LocalService.start(kind)
        services.update { $0.append(service) }
        return service
    }

    /// The id of the home folder of that name, which is made.
    func id(home: String) async throws -> String {
        let process = try cway(home: home, ["id"])
        #expect(try await process.end() == .exit(0))
        return process.outputText.trimmingCharacters(in: .newlines)
    }

    /// The beginnings of the private keys of all homes, which no process may say.
    ///
    /// They hold 30 of the 32 bytes that an identity is made from.
    var secrets: [String] {
        get throws {
            try FileManager.default.contentsOfDirectory(atPath: folder.path).compactMap { home in
                guard let file = FileManager.default.contents(atPath: path("\(home)/secret")) else {
                    return nil
                }
                let fields = String(decoding: file, as: UTF8.self).split(separator: "\"")
                let name = try #require(fields.firstIndex(of: "private"))
                return String(try #require(fields.dropFirst(name + 2).first).prefix(40))
            }
        }
    }

    private func expectNoSecretSaid() {
        let words = everythingSaid
        #expect(throws: Never.self) {
            for secret in try secrets { #expect(!words.contains(secret), "a private key was said") }
        }
    }

    /// Everything that any process of this test has said so far.
    var everythingSaid: String { processes.value.map { $0.outputText + $0.log }.joined() }
}

/// The program under test.
enum Cway {
    struct Missing: Error, CustomStringConvertible {
        let path: String

        var description: String { "there is no \(path): build it with `swift build`" }
    }

    /// The one that was built along with the tests, which stand in the same folder.
    static func program() throws -> URL {
        // <folder>/companionwayPackageTests.xctest is the program that runs the tests.
        let tests = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
        let bundled = Bundle.allBundles.map(\.bundleURL)
        for folder in [tests.deletingLastPathComponent()] + bundled
            + bundled.map({ $0.deletingLastPathComponent() })
        {
            let program = folder.appendingPathComponent("cway")
            if FileManager.default.isExecutableFile(atPath: program.path) { return program }
        }
        throw Missing(path: tests.deletingLastPathComponent().appendingPathComponent("cway").path)
    }
}
