package import ArgumentParser
internal import Demo
internal import Node

/// `cway demo`: all of it at work, on this machine alone.
package struct DemoCommand: AsyncParsableCommand {
    /// What ArgumentParser needs to know.
    package static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "See a portal, an owner, a friend and a stranger, on this machine alone.",
        discussion: """
            Starts each as a process with a fresh identity in a temporary folder: an invite is redeemed; a published \
            address leads the friend to the owner's node, and tells the stranger nothing; a page and many bytes go \
            through the tunnel; the portal saw none of it; the friend is removed, and is out. It ends with 0 only if \
            everything held, and it needs no network.

            With --cluster it plays one portal on three machines, with three NATS servers: the owner is at one, a \
            friend at another; a machine is killed, and a server, and the owner is reachable again. It needs \
            nats-server, and ends with 27 where that is not installed.

            EXAMPLES
              cway demo
              cway demo --size 64 --json | jq .megabytesPerSecond
              cway demo --keep                    to look at homes and logs afterwards
              cway demo --cluster                 one portal on three machines
            """)

    /// What a transfer up to ``ordinarySize`` may take with all the rest, and what is added above it.
    ///
    /// Ending the processes comes on top, ``DemoStage`` allows it 4 s at most: together less than a minute.
    private static let ordinaryTime = Duration.seconds(54)
    private static let ordinarySize = 256
    private static let timePerMebibyte = Duration.milliseconds(200)
    /// A tebibyte: more is a mistake.
    private static let sizeLimit = 1 << 20

    @Option(name: .long, help: ArgumentHelp("How much to transfer, in units of 2²⁰ bytes.", valueName: "MiB"))
    private var size = 256

    @Flag(name: .long, help: "Play one portal on three machines, of which one dies; needs nats-server.")
    private var cluster = false

    @Flag(name: .long, help: "Print nothing but a summary as JSON.")
    private var json = false

    @Flag(name: .long, help: "Keep the temporary folder, and print where it is.")
    private var keep = false

    @Option(
        name: .long,
        help: ArgumentHelp("When to give up, in seconds.", valueName: "s", visibility: .hidden))
    private var timeLimit: Int?

    /// Made by ArgumentParser.
    package init() {}

    /// Refuses sizes that make no sense.
    package func validate() throws {
        guard (1...Self.sizeLimit).contains(size) else {
            throw ValidationError("--size must be from 1 to \(Self.sizeLimit).")
        }
        guard timeLimit ?? 1 > 0 else { throw ValidationError("--time-limit must be at least 1.") }
    }

    /// Plays the demo.
    package func run() async throws {
        let (start, environment) = (ContinuousClock.now, CommandEnvironment.current)
        let print: @Sendable (String) throws -> Void = { try environment.print($0) }
        let narrator = DemoNarrator(to: json ? nil : print)
        if cluster {
            let server = try DemoEngine.server(path: ProcessText.environment["PATH"])
            try narrator.say(
                "One portal on three machines, an owner and a friend: processes on this machine.")
            var (summary, folder) = try await play(narrator) { run in
                try await run.performCluster(on: try EventLoops.make(2), server: server)
            }
            (summary.totalSeconds, summary.folder) = ((.now - start) / .seconds(1), folder)
            guard !json else { return try environment.print(json: try summary.json()) }
            return try narrator.say("\nAll of it held.\n\n\(summary.table)\n\nYour turn: docs/cluster.md.")
        }
        try narrator.say(
            "A portal, an owner, a friend and a stranger: processes on this machine, as if on four.")
        var (summary, folder) = try await play(narrator) { try await $0.perform(on: try EventLoops.make(2)) }
        (summary.totalSeconds, summary.folder) = ((.now - start) / .seconds(1), folder)
        guard !json else { return try environment.print(json: try summary.json()) }
        try narrator.say("\nAll of it held.\n\n\(summary.table)")
        try narrator.say(
            "\nYour turn: 'cway portals add', 'cway invite create', 'cway serve'; see 'cway --help'.")
    }

    /// Plays, and leaves nothing behind, whatever came of it; where the folder is that was kept.
    private func play<Summary: Sendable>(
        _ narrator: DemoNarrator, _ perform: @escaping @Sendable (DemoRun) async throws -> Summary
    ) async throws -> (Summary, folder: String?) {
        let stage = try DemoStage()
        let bar = ProgressBar(total: size << 20)
        let run = DemoRun(
            stage: stage, narrator: narrator, byteCount: size << 20, timeLimit: allowedTime,
            showProgress: { count in if let count { bar.show(count) } else { bar.clear() } })
        let result: Result<Summary, any Error>
        do {
            result = .success(try await Interruption.run { try await perform(run) })
        } catch {
            result = .failure(error)
        }
        let isClear = stage.clear(keepsFolder: keep)
        if keep { CommandEnvironment.current.complaints("kept: \(stage.folder)\n") }
        let summary = try result.get()
        guard isClear else {
            throw CommandFailure(.unexpected, "something is left behind; look at \(stage.folder)")
        }
        return (summary, keep ? stage.folder : nil)
    }

    private var allowedTime: Duration {
        if let timeLimit { return .seconds(timeLimit) }
        return Self.ordinaryTime + Self.timePerMebibyte * max(0, size - Self.ordinarySize)
    }
}
