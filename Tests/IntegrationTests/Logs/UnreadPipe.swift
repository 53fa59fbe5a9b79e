import Foundation
import Glibc

/// A pipe that is full and that nobody reads: what blocks on a log shows with it at once.
final class UnreadPipe: Sendable {
    private let pipe = Pipe()

    /// What a process gets as its standard error; a write to it waits, as to any pipe.
    var writeEnd: FileHandle { pipe.fileHandleForWriting }

    init() throws {
        let descriptor = pipe.fileHandleForWriting.fileDescriptor
        let flags = fcntl(descriptor, F_GETFL)
        _ = fcntl(descriptor, F_SETFL, flags | O_NONBLOCK)
        let bytes = [UInt8](repeating: UInt8(ascii: "."), count: 4_096)
        while unsafe write(descriptor, bytes, bytes.count) > 0 {}
        _ = fcntl(descriptor, F_SETFL, flags)
    }

    /// Reads until a text comes that was written after this: the writer is not stuck for good.
    func text(containing words: String, within limit: Duration) async throws -> Bool {
        let (end, deadline) = (pipe.fileHandleForReading, ContinuousClock.now + limit)
        var said = ""
        while ContinuousClock.now < deadline {
            var poll = pollfd(fd: end.fileDescriptor, events: Int16(POLLIN), revents: 0)
            guard unsafe Glibc.poll(&poll, 1, 100) > 0 else { continue }
            said = String((said + String(decoding: end.availableData, as: UTF8.self)).suffix(100_000))
            if said.contains(words) { return true }
        }
        return false
    }
}
