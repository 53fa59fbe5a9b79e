internal import Glibc
internal import Node
internal import Synchronization

/// Lines of standard input: an error is none of its ends.
final class StandardInput: Sendable {
    private struct State {
        var unread: ArraySlice<UInt8> = []
        var hasEnded = false
    }

    /// The largest line that is read, in bytes.
    static let lineByteCountLimit = 1 << 20
    private static let pieceByteCount = 4096

    /// The process's.
    static let ofProcess = StandardInput(descriptor: STDIN_FILENO)

    private let descriptor: Int32
    private let state = Mutex(State())

    init(descriptor: Int32) { self.descriptor = descriptor }

    /// The next line without its end, LF or CR LF; `nil` when there is none any more.
    ///
    /// - Throws: `StandardStreamFailure`; ``CommandFailure`` with ``ExitStatus/usage`` for a line that is too long.
    func line() throws -> String? {
        let result = state.withLock { state in
            Result { try Self.takeLine(&state, descriptor) }
        }
        return try result.get()
    }

    private static func takeLine(_ state: inout State, _ descriptor: Int32) throws -> String? {
        var searched = 0
        while true {
            let start = state.unread.startIndex
            if let end = state.unread[(start + searched)...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { state.unread = state.unread[(end + 1)...] }
                return text(state.unread[..<end])
            }
            searched = state.unread.count
            guard searched <= lineByteCountLimit else {
                throw CommandFailure(
                    .usage,
                    "a line of standard input is longer than \(lineByteCountLimit) bytes: send shorter ones")
            }
            if state.hasEnded {
                defer { state.unread = [] }
                return state.unread.isEmpty ? nil : text(state.unread)
            }
            var piece = [UInt8](repeating: 0, count: pieceByteCount)
            let count = try StandardStream.read(descriptor, into: &piece)
            state.hasEnded = count == 0
            state.unread = Array(state.unread) + piece[..<count]
        }
    }

    private static func text(_ line: ArraySlice<UInt8>) -> String {
        String(decoding: line.last == UInt8(ascii: "\r") ? line.dropLast() : line, as: UTF8.self)
    }
}
