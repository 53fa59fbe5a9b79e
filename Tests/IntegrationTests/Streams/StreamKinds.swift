import Foundation
import Glibc
import PeerSupport
import Testing

/// What a process may find as its standard input.
enum InputKind: CaseIterable, Sendable {
    case file, pipe, pausingPipe, terminal, folder, closed

    /// Whether all of it can be read.
    var isReadable: Bool { self != .folder && self != .closed }

    /// Lines, so that a terminal takes them too.
    static let text = (0..<2_000).map { "line \($0) of what is to be passed on as it is\n" }.joined()

    /// How long a writer pauses, so that a reader that does not wait finds nothing.
    private static let pause = useconds_t(20_000)

    /// A descriptor that brings the text in a thread of its own, where there is one to bring it.
    func open(on stage: Stage) throws -> FileHandle? {
        switch self {
        case .file:
            let path = stage.path("input")
            try Data(Self.text.utf8).write(to: URL(fileURLWithPath: path))
            return try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        case .pipe, .pausingPipe:
            let pipe = Pipe()
            if self == .pausingPipe { stopBlocking(pipe.fileHandleForReading.fileDescriptor) }
            feed(pipe.fileHandleForWriting, pieceCount: self == .pipe ? 1 : 10, end: nil)
            return pipe.fileHandleForReading
        case .terminal:
            let terminal = try Integration.PromptTests.Terminal()
            var settings = termios()
            unsafe tcgetattr(terminal.slave.fileDescriptor, &settings)
            settings.c_lflag &= ~tcflag_t(ECHO)
            unsafe tcsetattr(terminal.slave.fileDescriptor, TCSANOW, &settings)
            stopBlocking(terminal.slave.fileDescriptor)
            // Its line discipline holds 4 KiB.
            feed(terminal.master, pieceCount: 50, end: "\u{4}")
            return terminal.slave
        case .folder: return try FileHandle(forReadingFrom: stage.folder)
        case .closed: return nil
        }
    }

    private func feed(_ file: FileHandle, pieceCount: Int, end: String?) {
        Thread.detachNewThread {
            let lines = Self.text.split(separator: "\n", omittingEmptySubsequences: true)
            let size = lines.count / pieceCount
            for index in 0..<pieceCount {
                let piece = lines[index * size..<(index + 1) * size].map { $0 + "\n" }.joined()
                // The reader may be gone, as a test wants it.
                guard (try? file.write(contentsOf: Data(piece.utf8))) != nil else { break }
                if pieceCount > 1 { usleep(Self.pause) }
            }
            if let end { try? file.write(contentsOf: Data(end.utf8)) }
            if end == nil { try? file.close() } else { sleep(20) }
        }
    }
}

/// What a process may find as its standard output.
enum OutputKind: CaseIterable, Sendable {
    case file, slowPipe, full, gone, closed

    /// Whether all that is written arrives.
    var isWritable: Bool { self == .file || self == .slowPipe }

    /// A descriptor to write to, where there is one, and what has arrived when the process has ended.
    func open(on stage: Stage) throws -> (file: FileHandle?, arrived: @Sendable () async throws -> String) {
        switch self {
        case .file:
            let path = stage.path("output")
            try Data().write(to: URL(fileURLWithPath: path))
            let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
            return (
                file, { String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self) }
            )
        case .slowPipe:
            let pipe = Pipe()
            stopBlocking(pipe.fileHandleForWriting.fileDescriptor)
            return (pipe.fileHandleForWriting, try Self.readSlowly(pipe))
        case .full: return (try FileHandle(forWritingTo: URL(fileURLWithPath: "/dev/full")), { "" })
        case .gone:
            let pipe = Pipe()
            try pipe.fileHandleForReading.close()
            return (pipe.fileHandleForWriting, { "" })
        case .closed: return (nil, { "" })
        }
    }

    /// Reads a page at a time: a writer that does not wait finds the pipe full.
    ///
    /// Source: fcntl(2), F_SETPIPE_SZ.
    private static func readSlowly(_ pipe: Pipe) throws -> @Sendable () async throws -> String {
        let end = pipe.fileHandleForReading
        try #require(fcntl(end.fileDescriptor, 1031, 4096) >= 4096)
        let content = Watched((bytes: [UInt8](), hasEnded: false))
        Thread.detachNewThread {
            while true {
                usleep(500)
                let piece = (try? end.read(upToCount: 4096)) ?? nil
                content.update {
                    $0.bytes += piece ?? Data()
                    $0.hasEnded = piece?.isEmpty ?? true
                }
                if piece?.isEmpty ?? true { return }
            }
        }
        return {
            // The child had the only other copy.
            try pipe.fileHandleForWriting.close()
            return try await content.first(within: .seconds(20)) { content in
                content.hasEnded ? String(decoding: content.bytes, as: UTF8.self) : nil
            }
        }
    }
}

/// Lets calls on a descriptor, and on every copy of it, fail where they would wait.
private func stopBlocking(_ descriptor: Int32) {
    _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
}
