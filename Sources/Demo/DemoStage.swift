internal import Blinding
internal import FoundationEssentials
internal import Glibc
internal import Node
internal import Synchronization
internal import Transport
internal import TypedSodium

/// The demo's temporary folder and its processes, and that nothing of both is left behind.
package final class DemoStage: Sendable {
    private struct Cast {
        var processes: [DemoProcess] = []
        /// Whose end is a failure.
        var needed: [DemoProcess] = []
        var isCleared = false
    }

    /// How long processes may take to end in order before they are killed.
    ///
    /// Less than an interrupted command may take in all, which is 4.5 s.
    private static let endingTime = Duration.seconds(2)

    /// For its owner alone.
    package let folder: String
    private let cast = Mutex(Cast())
    private let letters = Mutex([DemoProcess.Role: String]())

    /// Makes the folder.
    ///
    /// - Throws: ``CommandFailure``.
    package init() throws {
        let name = "companionway-demo-\(UUID().uuidString.prefix(8))"
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(name).path
        do {
            try Home(path: folder, environment: [:]).prepare()
        } catch {
            throw CommandFailure(.unexpected, "no temporary folder: \(ErrorWords.text(of: error))")
        }
    }

    func home(of role: DemoProcess.Role) -> String { "\(folder)/\(role)" }

    /// Makes an identity.
    func makeIdentity(of role: DemoProcess.Role) throws -> PublicKey {
        let home = try Home(path: home(of: role), environment: [:])
        try home.prepare()
        return try SecretFile(in: home).loadOrCreate().identity.publicKey
    }

    /// The id that a hidden node shows to a portal.
    func pseudonym(of role: DemoProcess.Role, at portal: PublicKey) throws -> PublicKey {
        let home = try Home(path: home(of: role), environment: [:])
        return try Pseudonym.identity(of: try SecretFile(in: home).load(), at: PortalKey(portal)).publicKey
    }

    /// Gives somebody a line of text, as a person would by another channel.
    func handOver(_ text: String, to role: DemoProcess.Role) {
        letters.withLock { $0[role] = text }
    }

    /// What was handed to somebody.
    func handedOver(to role: DemoProcess.Role) throws -> String {
        guard let text = letters.withLock({ $0[role] }) else {
            throw CommandFailure(.unexpected, "nothing was handed to the \(role)")
        }
        return text
    }

    /// Starts a command that runs until it is told to stop, and whose end is a failure until then.
    func launch(_ role: DemoProcess.Role, _ arguments: [String]) throws -> DemoProcess {
        try start(role, Self.adding(["--until-input-ends"], to: arguments), isNeeded: true)
    }

    /// Starts another program that runs until it is told to stop, and whose end is a failure until then.
    func launch(_ role: DemoProcess.Role, _ arguments: [String], of program: String) throws -> DemoProcess {
        try start(role, arguments, of: program, isNeeded: true)
    }

    /// Gives one role's identity to another one, as an operator copies a portal's key to its next machine.
    func copyIdentity(of role: DemoProcess.Role, to other: DemoProcess.Role) throws {
        try Home(path: home(of: other), environment: [:]).prepare()
        try FileManager.default.copyItem(
            atPath: "\(home(of: role))/secret", toPath: "\(home(of: other))/secret")
    }

    /// Runs a command that ends by itself.
    ///
    /// - Returns: the lines that it has printed.
    /// - Throws: ``CommandFailure`` where it ends otherwise than with `status`.
    func run(
        _ role: DemoProcess.Role, _ arguments: [String], ending status: ExitStatus = .success
    ) async throws -> [Substring] {
        let process = try start(role, arguments, isNeeded: false)
        let ending = try await process.ended()
        guard ending == .exited(status.rawValue) else {
            let words = arguments.prefix(2).joined(separator: " ")
            throw CommandFailure(
                .unexpected,
                "`cway \(words)` of the \(role) \(ending): \(process.log.last ?? "it said nothing")")
        }
        return process.output
    }

    /// How long a removal may take to reach the portal: it takes one announcement per second of a node.
    private static let removalTime = Duration.seconds(2)

    /// Runs a command again and again until it ends so, for as long as the portal may take to hear of a removal.
    func run(_ role: DemoProcess.Role, _ arguments: [String], untilEnding status: ExitStatus) async throws {
        let limit = ContinuousClock.now + Self.removalTime
        while true {
            do {
                _ = try await run(role, arguments, ending: status)
                return
            } catch let failure as CommandFailure {
                guard ContinuousClock.now < limit else { throw failure }
            }
        }
    }

    /// Adds options of the whole command: behind `--instance` they would belong to that instance.
    private static func adding(_ options: [String], to arguments: [String]) -> [String] {
        var words = arguments
        words.insert(contentsOf: options, at: words.firstIndex(of: "--instance") ?? words.endIndex)
        return words
    }

    private func start(
        _ role: DemoProcess.Role, _ arguments: [String], of program: String? = nil, isNeeded: Bool
    ) throws -> DemoProcess {
        try cast.withLock { cast in
            guard !cast.isCleared else { throw CancellationError() }
            let words = program == nil ? Self.adding(["--home", home(of: role)], to: arguments) : arguments
            let process = try DemoProcess(
                role, words, of: program, number: cast.processes.count + 1, in: folder)
            cast.processes.append(process)
            if isNeeded { cast.needed.append(process) }
            return process
        }
    }

    /// A process that has ended though it is needed.
    var casualty: DemoProcess? { cast.withLock { $0.needed.first { $0.ending != nil } } }

    /// From now on the processes of somebody may end; they are returned.
    func release(_ role: DemoProcess.Role) -> [DemoProcess] {
        cast.withLock { cast in
            let released = cast.needed.filter { $0.role == role }
            cast.needed.removeAll { $0.role == role }
            return released
        }
    }

    /// From now on all processes may end; those that were needed until now are returned, in the order of their start.
    func release() -> [DemoProcess] {
        cast.withLock { cast in
            defer { cast.needed.removeAll() }
            return cast.needed
        }
    }

    /// The last lines of a process's log.
    func logTail(of role: DemoProcess.Role, count: Int = 8) -> [Substring] {
        let process = cast.withLock { $0.processes.last { $0.role == role } }
        return (process?.log ?? []).filter { !$0.hasPrefix("frame ") }.suffix(count)
    }

    /// Ends what still runs, and removes the folder, whatever the state; whether nothing is left behind.
    ///
    /// Blocks on purpose: it is the last that the command does, and a cancelled task would not wait.
    package func clear(keepsFolder: Bool) -> Bool {
        // An impatient second signal would leave the rest standing.
        _ = Glibc.signal(SIGINT, SIG_IGN)
        _ = Glibc.signal(SIGTERM, SIG_IGN)
        let processes = cast.withLock { cast in
            cast.isCleared = true
            cast.needed.removeAll()
            return cast.processes
        }
        for process in processes { process.signal(SIGTERM) }
        Self.wait(for: processes)
        for process in processes { process.signal(SIGKILL) }
        Self.wait(for: processes)
        if !keepsFolder { try? FileManager.default.removeItem(atPath: folder) }
        return processes.allSatisfy { $0.ending != nil }
            && FileManager.default.fileExists(atPath: folder) == keepsFolder
    }

    private static func wait(for processes: [DemoProcess]) {
        let limit = ContinuousClock.now + endingTime
        while processes.contains(where: { $0.ending == nil }), ContinuousClock.now < limit {
            DetachedThread.sleep(for: .milliseconds(5))
        }
    }
}
