internal import Foundation
internal import PeerSupport

/// A helper process that stands beside the tests: a line in, a line out.
package final class Child {
    /// How it ended.
    package enum End: Error, Equatable {
        case code(Int32)
        case signal(Int32)
    }

    private let process: ChildProcess
    private let input = Pipe()
    private let output = Pipe()
    private var unread = Data()

    /// Starts the executable of that name.
    package init(_ name: String) throws {
        process = try ChildProcess(
            ChildProcess.built(name).path, [], environment: ProcessInfo.processInfo.environment,
            streams: [input.fileHandleForReading, output.fileHandleForWriting, .standardError])
        // They are the child's alone, so that its end is seen.
        try input.fileHandleForReading.close()
        try output.fileHandleForWriting.close()
    }

    deinit {
        try? input.fileHandleForWriting.close()
        process.signal(SIGTERM)
    }

    /// Tells it something.
    package func tell(_ line: String) throws {
        try input.fileHandleForWriting.write(contentsOf: Data((line + "\n").utf8))
    }

    /// Its answer.
    ///
    /// - Throws: ``End`` when it ended instead; a signal is what killed it.
    package func ask(_ line: String) throws -> String {
        try tell(line)
        return try answer()
    }

    /// The next line.
    package func answer() throws -> String {
        while true {
            if let line = takeLine() { return line }
            let arrived = output.fileHandleForReading.availableData
            guard !arrived.isEmpty else { throw end() }
            unread += arrived
        }
    }

    /// Its answer; `nil` when it was killed on the way.
    package func askUntilKilled(_ line: String) throws -> String? {
        do {
            return try ask(line)
        } catch End.signal(SIGKILL) {
            return nil
        }
    }

    /// Kills it without a chance to do anything about it, and takes the lines that it said until then.
    @discardableResult
    package func kill() -> [String] {
        process.signal(SIGKILL)
        while true {
            let arrived = output.fileHandleForReading.availableData
            guard !arrived.isEmpty else { break }
            unread += arrived
        }
        process.waitUntilEnded()
        var lines: [String] = []
        while let line = takeLine() { lines.append(line) }
        return lines
    }

    private func end() -> End {
        switch process.waitUntilEnded() {
        case .exit(let code)?: .code(code)
        case .signal(let number)?: .signal(number)
        case nil: .code(-1)
        }
    }

    private func takeLine() -> String? {
        guard let end = unread.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        defer { unread = Data(unread[(end + 1)...]) }
        return String(decoding: unread[..<end], as: UTF8.self)
    }
}
