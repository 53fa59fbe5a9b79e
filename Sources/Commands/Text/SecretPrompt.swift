internal import ArgumentParser
internal import Glibc
internal import Node

/// Asks at the terminal for something that nobody is to read over a shoulder, or in the scroll-back.
enum SecretPrompt {
    /// A paste of several lines comes at once; so long after a line's end it is over.
    private static let pasteTime: Int32 = 100
    private static let byteCountLimit = 65_536

    private enum Key {
        static let (interrupt, end, backspace, delete): (UInt8, UInt8, UInt8, UInt8) = (
            0x03, 0x04, 0x08, 0x7F
        )
        static let lineEnds: Set<UInt8> = [0x0A, 0x0D]
    }

    /// Asks, and reads what is typed or pasted: several lines where they come at once, or until an empty one where
    /// `isComplete` says that there must be more.
    ///
    /// - Throws: `ExitCode` 130 for Ctrl-C, as a shell has it.
    @Sendable static func ask(_ question: String, isComplete: (String) -> Bool) throws -> String {
        var usual = termios()
        guard unsafe tcgetattr(STDIN_FILENO, &usual) == 0 else {
            return try StandardInput.ofProcess.line() ?? ""
        }
        var hidden = usual
        // Without signals either: Ctrl-C has to put the terminal right first.
        hidden.c_lflag &= ~tcflag_t(ECHO | ICANON | ISIG)
        unsafe tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden)
        defer {
            // What is left of a paste is not for the shell.
            unsafe tcsetattr(STDIN_FILENO, TCSAFLUSH, &usual)
            LogSink.standardError.write("\n")
        }
        LogSink.standardError.write(question)
        return try read(isComplete)
    }

    private static func read(_ isComplete: (String) -> Bool) throws -> String {
        var bytes: [UInt8] = []
        while bytes.count < byteCountLimit {
            var piece: [UInt8] = [0]
            guard try StandardStream.read(STDIN_FILENO, into: &piece) > 0, piece[0] != Key.end else { break }
            let byte = piece[0]
            switch byte {
            case Key.interrupt: throw ExitCode(128 + SIGINT)
            case Key.backspace, Key.delete: _ = bytes.popLast()
            case _ where Key.lineEnds.contains(byte):
                let isEmptyLine = bytes.last == UInt8(ascii: "\n") || bytes.isEmpty
                bytes.append(UInt8(ascii: "\n"))
                if hasMore() { continue }
                let text = String(decoding: bytes, as: UTF8.self)
                if isEmptyLine || isComplete(text) { return text }
                LogSink.standardError.write("\nThe rest of it, or an empty line: ")
            default: bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func hasMore() -> Bool {
        var poll = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        return unsafe Glibc.poll(&poll, 1, pasteTime) > 0
    }
}
