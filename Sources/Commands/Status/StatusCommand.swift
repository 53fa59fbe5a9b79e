internal import ArgumentParser
internal import Node
internal import Watching

/// `cway status`: what runs from this home, and how it is.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show what runs from this home: portal, serve, connect.",
        discussion: """
            Since when; at which portals, and how long they take to answer; who is connected to which service, with \
            how many bytes; of a portal who is attached, what passes through it, which limits were met; and what went \
            wrong lately, with the remedy. It asks the processes over sockets in the home, so it works for their user \
            alone. JSON is {"processes": […]}; docs/operations.md has the fields.

            With --watch it shows all of it each second, until Ctrl-C; into a pipe it writes a new block, or with \
            --json a line, each time.

            EXAMPLES
              cway status
              cway status --watch
              cway status --json | jq '.processes[].node.portals'
            """)

    @OptionGroup private var common: CommonOptions
    @Flag(name: .long, help: "Print JSON.") private var json = false
    @Flag(name: .long, help: "Show it again each second.") private var watch = false

    func run() async throws {
        let client = StatusClient(home: try common.preparedHome().path)
        let environment = CommandEnvironment.current
        guard watch else {
            let answers = try await answers(of: client)
            if answers.isEmpty, !json {
                environment.note(
                    "nothing runs from this home: start 'cway portal', 'serve' or 'connect --listen'")
            } else {
                try environment.print(text(of: answers), isJSON: json)
            }
            return
        }
        let screen = environment.isOutputTerminal && !json ? StatusScreen(environment) : nil
        try screen?.begin()
        let result: Result<Void, any Error>
        do {
            result = .success(
                try await Interruption.run {
                    try await show(client, on: screen)
                })
        } catch {
            result = .failure(error)
        }
        try screen?.end()
        try result.get()
    }

    private func show(_ client: StatusClient, on screen: StatusScreen?) async throws {
        let environment = CommandEnvironment.current
        var isFirst = true
        while !Task.isCancelled {
            let answers = try await answers(of: client)
            if let screen {
                try screen.show(text(of: answers))
            } else {
                try environment.print((json || isFirst ? "" : "\n") + text(of: answers), isJSON: json)
            }
            isFirst = false
            // Cancelled by a signal: the loop's condition sees to the rest.
            try? await Task.sleep(for: .seconds(1))
        }
    }

    private func answers(of client: StatusClient) async throws(CommandFailure) -> [StatusClient.Answer] {
        do throws(StatusFailure) {
            return try await client.ask()
        } catch {
            throw CommandFailure(.unexpected, error)
        }
    }

    private func text(of answers: [StatusClient.Answer]) throws -> String {
        if json { return try StatusReport.json(of: answers) }
        let time = TimeText.text(WallClock.seconds())
        let blocks = answers.map { StatusText(now: WallClock.seconds()).block(for: $0) }
        return ([time] + (blocks.isEmpty ? ["nothing runs from this home"] : blocks)).joined(
            separator: "\n\n")
    }
}

/// A terminal that shows one text in the place of the one before, on a screen of its own.
///
/// What is new is written over what was, and the rest of each line cleared behind it, so nothing flickers. The screen of
/// before is back at the end.
///
/// Source: ECMA-48; xterm's private modes 1049 (the other screen) and 25 (the cursor).
struct StatusScreen {
    private static let enter = "\u{1B}[?1049h\u{1B}[?25l"
    private static let leave = "\u{1B}[?25h\u{1B}[?1049l"

    private let write: @Sendable (String) throws -> Void

    init(_ environment: CommandEnvironment) { write = environment.output }

    func begin() throws { try write(Self.enter) }

    func end() throws { try write(Self.leave) }

    /// Shows as much of it as there is room for.
    func show(_ text: String) throws {
        let (columns, rows) = TerminalSize.ofStandardOutput
        let lines = text.printable.split(separator: "\n", omittingEmptySubsequences: false)
        let shown = lines.prefix(max(1, rows - 1)).map { $0.prefix(columns) + "\u{1B}[K" }
        try write("\u{1B}[H" + shown.joined(separator: "\r\n") + "\r\n\u{1B}[J")
    }
}
