internal import Glibc
internal import Synchronization

/// A bar on standard error that shows how much is done; nothing where standard error is no terminal.
package final class ProgressBar: Sendable {
    /// What a terminal can do for it.
    package enum Terminal: Equatable, Sendable {
        /// There is none, so that nobody watches.
        case absent
        /// One that knows nothing but lines, as an editor's.
        case plain
        /// One that goes back to the start of a line.
        case full
    }

    /// A terminal of lines gets one each time so much more is done, in percent.
    private static let lineStep = 25

    private let total: Int
    private let terminal: Terminal
    /// Taken while the command's own task runs: event loops do not know its environment.
    private let write: @Sendable (String) -> Void
    private let columnCount: @Sendable () -> Int
    private let shown = Mutex(-1)

    package init(
        total: Int, terminal: Terminal = .ofStandardError,
        columnCount: @escaping @Sendable () -> Int = { ProgressBar.terminalColumnCount() },
        write: @escaping @Sendable (String) -> Void = CommandEnvironment.current.complaints
    ) {
        self.total = max(total, 1)
        self.terminal = terminal
        self.columnCount = columnCount
        self.write = write
    }

    /// Shows that so much is done.
    package func show(_ done: Int) {
        guard terminal != .absent else { return }
        let step = terminal == .plain ? Self.lineStep : 1
        let percent = ProgressLayout.percent(done, of: total) / step * step
        // That nothing is done yet is no news in a line of its own.
        if terminal == .plain, percent == 0 { return }
        let isNews = shown.withLock { last in
            defer { last = percent }
            return last != percent
        }
        guard isNews else { return }
        let bar = ProgressLayout.bar(percent: percent, columnCount: columnCount())
        // A terminal may be too narrow for anything.
        if bar.isEmpty { return }
        write(terminal == .plain ? "\(percent)%\n" : "\r\(bar)")
    }

    /// Removes the bar.
    package func clear() {
        guard terminal == .full, shown.withLock({ $0 }) >= 0 else { return }
        write("\r\u{1B}[K")
    }

    /// How wide the terminal is now, in characters; 0 where it does not say.
    package static func terminalColumnCount() -> Int {
        var size = winsize()
        guard unsafe ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 else { return 0 }
        return Int(size.ws_col)
    }
}

extension ProgressBar.Terminal {
    /// The one that standard error is.
    package static var ofStandardError: Self {
        of(type: CommandEnvironment.current.environment["TERM"], isTerminal: isatty(STDERR_FILENO) == 1)
    }

    /// By what the environment calls its type; who says nothing of it promises nothing.
    package static func of(type: String?, isTerminal: Bool) -> Self {
        guard isTerminal else { return .absent }
        return ["", "dumb", "unknown"].contains(type ?? "") ? .plain : .full
    }
}

/// How the bar looks.
package enum ProgressLayout {
    /// Longer bars tell no more.
    private static let longestBar = 40
    /// Shorter ones tell nothing.
    private static let shortestBar = 5
    /// What a terminal is taken for that does not say how wide it is.
    private static let usualColumnCount = 80

    /// How much is done, from 0 to 100.
    package static func percent(_ done: Int, of total: Int) -> Int {
        guard total > 0, done > 0 else { return 0 }
        return done >= total ? 100 : Int((Double(done) / Double(total) * 100).rounded(.down))
    }

    /// The bar, the number alone where there is no room for it, or nothing.
    ///
    /// The last column stays free: some terminals go on in the next line once it is written to.
    package static func bar(percent: Int, columnCount: Int) -> String {
        let percent = min(max(percent, 0), 100)
        let room = (columnCount > 0 ? columnCount : usualColumnCount) - 1
        // As wide at all times as when all is done, so that it does not move.
        let number = String(repeating: " ", count: 3 - String(percent).count) + "\(percent)%"
        let length = min(longestBar, room - number.count - 3)
        guard length >= shortestBar else { return number.count <= room ? number : "" }
        let filled = percent * length / 100
        return
            "[\(String(repeating: "#", count: filled))\(String(repeating: ".", count: length - filled))] \(number)"
    }
}
