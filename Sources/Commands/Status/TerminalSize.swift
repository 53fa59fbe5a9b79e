internal import Glibc

/// How much a terminal shows.
enum TerminalSize {
    /// Columns and rows of the one that standard output is; the usual ones where it does not say.
    static var ofStandardOutput: (columns: Int, rows: Int) {
        var size = winsize()
        guard unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0
        else {
            return (80, 24)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }
}
