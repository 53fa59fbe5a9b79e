internal import Glibc

/// What SIGHUP means to a process, decided when it starts.
///
/// A terminal that is closed sends it, and so does whoever wants the settings to be read again.
enum HangUp {
    /// Started from a terminal: the command ends in order, as at SIGTERM.
    case ends
    /// Without a terminal, or not to be touched by its end: the settings are read again.
    case reloads

    /// What it means to a command whose settings can be read again.
    static func ofProcess() -> HangUp {
        let hasTerminal = [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO].contains { isatty($0) == 1 }
        return hasTerminal && !isIgnored() ? .ends : .reloads
    }

    /// Whether the process was started so, as by nohup(1), which is to stay so.
    static func isIgnored() -> Bool {
        let before = signal(SIGHUP, SIG_IGN)
        let isIgnored = unsafe unsafeBitCast(before, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
        if !isIgnored { _ = signal(SIGHUP, before) }
        return isIgnored
    }
}
