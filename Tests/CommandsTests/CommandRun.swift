import Commands
import Foundation
import Synchronization

/// A command line run in surroundings of its own, and what came of it.
struct CommandRun: Sendable {
    let code: Int32
    let output: String
    let complaints: String

    init(_ arguments: String..., environment: [String: String] = [:]) async {
        await self.init(arguments, environment: environment)
    }

    init(_ arguments: [String], environment: [String: String] = [:]) async {
        let output = Transcript()
        let complaints = Transcript()
        let surroundings = Surroundings(
            environment: environment, output: { output.append($0) }, complaints: { complaints.append($0) })
        code = await Surroundings.$current.withValue(surroundings) { await CwayCommand.execute(arguments) }
        self.output = output.text
        self.complaints = complaints.text
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
