import Commands
import Foundation
import Multiserver
import Node
import Testing
import TypedSodium

@Suite("cway id")
struct IDCommandTests {
    private struct Report: Decodable {
        let id: String
        let created: Bool
    }

    private let folder = TemporaryPath()

    @Test("creates an identity, and prints the same one ever after")
    func identity() async throws {
        let first = await CommandRun("id", "--home", folder.path)
        #expect(first.code == ExitStatus.success.rawValue && first.complaints.isEmpty)
        #expect(first.output.hasSuffix("\n"))
        #expect(try PublicKey(id: String(first.output.dropLast())).id + "\n" == first.output)
        let second = await CommandRun("id", environment: ["CWAY_HOME": folder.path])
        #expect(second.output == first.output)
        let third = await CommandRun("id", environment: ["HOME": folder.path])
        #expect(third.code == 0 && third.output != first.output)
        #expect(FileManager.default.fileExists(atPath: folder.path + "/.companionway/secret"))
    }

    @Test("prints JSON that says whether the identity is fresh")
    func json() async throws {
        for isFresh in [true, false] {
            let run = await CommandRun("id", "--json", "--home", folder.path)
            #expect(run.output.hasSuffix("}\n") && !run.output.contains("\\/"))
            let report = try JSONDecoder().decode(Report.self, from: Data(run.output.utf8))
            #expect(report.created == isFresh)
            #expect(try PublicKey(id: report.id).id == report.id)
        }
    }

    @Test("gives eight callers at the same moment one identity")
    func race() async {
        let path = folder.path
        let outputs = await withTaskGroup(of: String.self) { group in
            for _ in 0..<8 { group.addTask { await CommandRun("id", "--home", path).output } }
            return await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(outputs.count == 1)
    }

    @Test("ends with the identity's code and a remedy when the key file is open to others")
    func exposed() async throws {
        _ = await CommandRun("id", "--home", folder.path)
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o644], ofItemAtPath: folder.path + "/secret")
        let run = await CommandRun("id", "--home", folder.path)
        #expect(run.code == ExitStatus.identityUnusable.rawValue)
        #expect(run.output.isEmpty)
        #expect(run.complaints.hasPrefix("cway: ") && run.complaints.contains("chmod 600"))
    }

    @Test("ends with the identity's code when there is no home")
    func homeless() async {
        let run = await CommandRun("id")
        #expect(run.code == ExitStatus.identityUnusable.rawValue)
        #expect(run.complaints.contains("--home"))
    }

    @Test("fails when its result cannot be delivered")
    func fullOutput() async {
        let environment = CommandEnvironment(
            environment: ["CWAY_HOME": folder.path], output: { _ in throw CocoaError(.fileWriteOutOfSpace) },
            complaints: { _ in })
        let code = await CommandEnvironment.$current.withValue(environment) {
            await CwayCommand.execute(["id"])
        }
        #expect(code == ExitStatus.standardStreamFailed.rawValue)
    }
}
