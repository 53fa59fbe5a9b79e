internal import ArgumentParser
internal import Node

/// `cway manual`: the pages for man(1), made from the commands themselves.
struct ManualCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "manual",
        abstract: "Print a page of the manual, for a package.",
        discussion: """
            Without a name it lists the pages, one file's name a line. The date that they bear is that of SOURCE_DATE_EPOCH, or \
            else today's.

            EXAMPLES
              cway manual
              cway manual cway-serve.1 | man -l -
            """,
        shouldDisplay: false)

    @Argument(help: ArgumentHelp("The page's file.", valueName: "page")) private var page: String?

    func run() async throws {
        let pages = try ManualPages(day: Self.day(CommandEnvironment.current.environment))
        guard let page else {
            return try CommandEnvironment.current.print(pages.names.joined(separator: "\n"))
        }
        guard let text = pages.text(of: page) else {
            throw CommandFailure(.usage, "there is no page '\(page)': `cway manual` lists them")
        }
        try CommandEnvironment.current.print(exactly: text)
    }

    /// `2026-11-27`, which builds of the same sources have to agree on.
    private static func day(_ environment: [String: String]) -> String {
        let seconds = environment["SOURCE_DATE_EPOCH"].flatMap { UInt64($0) } ?? WallClock.seconds()
        return String(TimeText.text(seconds).prefix(10))
    }
}
