internal import Foundation
internal import Glibc
internal import Synchronization

/// A temporary folder and the processes that run during the benchmark, and that nothing of both is left
/// behind.
final class Stage: Sendable {
    /// Something that is needed is not there, or does not do what it should.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private struct State {
        var children: [Child] = []
        var isCleared = false
    }

    /// More processes than any suite needs at once.
    private static let childLimit = 64
    /// How long processes may take to end in order before they are killed.
    private static let endingTime = Duration.seconds(2)

    /// For its owner alone.
    let folder: String
    private let state = Mutex(State())
    private let isCleared = Mutex(false)

    private let chosenProgram: String?

    /// Makes the folder; `cway` is the program that is measured, where it is not the one beside this one.
    init(cway: String? = nil) throws {
        chosenProgram = cway
        let name = "companionway-benchmarks-\(UUID().uuidString.prefix(8))"
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(name).path
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    }

    /// The program that is measured.
    func cway() throws -> String {
        let beside = URL(fileURLWithPath: try Self.ownProgram()).deletingLastPathComponent()
        let path = chosenProgram ?? beside.appendingPathComponent("cway").path
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw Failure(description: "there is no \(path): build it with `swift build -c release`")
        }
        return path
    }

    /// This very program.
    static func ownProgram() throws -> String {
        guard let path = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") else {
            throw Failure(description: "the program does not find itself: this system has no /proc")
        }
        return path
    }

    /// Finds a program of the system.
    static func program(_ name: String) -> String? {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(
            String.init)
        return (folders + ["/usr/sbin", "/usr/bin"]).map { "\($0)/\(name)" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// A new folder for one program's files.
    func makeFolder(_ name: String) throws -> String {
        let path = "\(folder)/\(name)-\(UUID().uuidString.prefix(4))"
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        return path
    }

    /// Starts a program that lives until ``end(_:)`` at the longest.
    func launch(
        _ name: String, _ program: String, _ arguments: [String], environment: [String: String] = [:]
    ) throws -> Child {
        try state.withLock { state in
            guard !state.isCleared else { throw CancellationError() }
            guard state.children.count < Self.childLimit else {
                throw Failure(description: "\(Self.childLimit) processes run already")
            }
            let child = try Child(name, program, arguments, environment: environment, in: folder)
            state.children.append(child)
            return child
        }
    }

    /// Runs a program to its end.
    ///
    /// - Throws: ``Failure`` when it does not succeed within the limit.
    func run(_ program: String, _ arguments: [String], within limit: Duration = .seconds(20)) async throws {
        let child = try launch("tool", program, arguments)
        let deadline = ContinuousClock.now + limit
        while child.isRunning, ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(2)) }
        defer { child.removeFiles() }
        let isLate = child.isRunning
        end([child])
        guard child.hasSucceeded, !isLate else {
            throw Failure(
                description: "\(program) \(isLate ? "hung" : "failed"): \(child.complaints.suffix(300))")
        }
    }

    /// Ends processes and all that they have started, in order or, a moment later, by force.
    func end(_ children: [Child]) {
        let running = children.filter(\.isRunning)
        let table = running.isEmpty ? nil : ProcessTable()
        let descendants = running.flatMap { table?.descendants(of: $0.id) ?? [] }
        for child in children { child.signal(SIGTERM) }
        let deadline = ContinuousClock.now + Self.endingTime
        while children.contains(where: \.isRunning), ContinuousClock.now < deadline {
            Thread.sleep(forTimeInterval: 0.002)
        }
        for child in children { child.signal(SIGKILL) }
        // Their numbers may be somebody else's by now: the start time tells.
        for descendant in descendants where ProcessTable.startTime(of: descendant.id) == descendant.startTime
        {
            kill(descendant.id, SIGKILL)
        }
        state.withLock { state in state.children.removeAll { child in children.contains { $0 === child } } }
    }

    /// Ends everything and removes the folder; blocks on purpose, for it is the last thing done.
    ///
    /// Whoever comes second waits: a program that ends while its folder is being removed leaves half of it.
    func clear() {
        isCleared.withLock { isCleared in
            guard !isCleared else { return }
            isCleared = true
            let children = state.withLock { state in
                state.isCleared = true
                return state.children
            }
            end(children)
            try? FileManager.default.removeItem(atPath: folder)
        }
    }
}
