package import Foundation
internal import Glibc

/// A program that runs as a process of its own: `cway` as it was built, or one that it works with.
package final class CwayProcess: Sendable {
    package typealias Ending = ChildProcess.Ending

    /// A process ended, or a stream did, while something was awaited of it.
    package struct Failure: Error, CustomStringConvertible {
        package let description: String

        package init(description: String) { self.description = description }
    }

    /// What it was started as, for messages.
    package let command: String
    private let child: ChildProcess
    private let output: CapturedStream
    private let complaints: CapturedStream
    private let awaitedEnding: Watched<Ending?>

    /// Starts a program that reads `input`, by default nothing, with the variables of this process unless it is to have
    /// none but its own.
    ///
    /// Standard output goes to `outputFile` where there is one, and not to ``outputText``; so does standard error to
    /// `errorFile`.
    package init(
        _ program: URL, _ arguments: [String], environment: [String: String] = [:], inherits: Bool = true,
        input: FileHandle? = nil, outputFile: FileHandle? = nil, errorFile: FileHandle? = nil
    ) throws {
        command = ([program.lastPathComponent] + arguments).joined(separator: " ")
        let ending = Watched<Ending?>(nil)
        awaitedEnding = ending
        output = CapturedStream()
        complaints = CapturedStream()
        let inputEnd = try input ?? FileHandle(forReadingFrom: URL(fileURLWithPath: "/dev/null"))
        let outputEnd = outputFile ?? output.pipe.fileHandleForWriting
        let errorEnd = errorFile ?? complaints.pipe.fileHandleForWriting
        child = try ChildProcess(
            program.path, arguments,
            environment: (inherits ? ProcessInfo.processInfo.environment : [:]).merging(environment) { $1 },
            streams: [inputEnd, outputEnd, errorEnd]
        ) { how in ending.update { $0 = how } }
        try output.start()
        try complaints.start()
    }

    package var id: Int32 { child.id }

    /// How it ended; `nil` while it runs.
    package var ending: Ending? { child.ending }

    /// Standard output so far.
    package var outputText: String { output.text }

    /// Standard error so far.
    package var log: String { complaints.text }

    // MARK: Events

    /// The first line of standard output, or one that is as wanted.
    package func line(
        within limit: Duration = .eventDeadline,
        where isWanted: @escaping @Sendable (String) -> Bool = { _ in true }
    ) async throws -> String {
        try await explained { try await output.line(within: limit, where: isWanted) }
    }

    /// The first line of the log that has these words in it.
    @discardableResult
    package func logLine(with words: String, within limit: Duration = .eventDeadline) async throws -> String {
        try await explained { try await complaints.line(within: limit) { $0.contains(words) } }
    }

    /// As many lines of standard output as wanted.
    package func lines(_ count: Int, within limit: Duration = .eventDeadline) async throws -> [String] {
        try await explained { try await output.lines(count, within: limit) { _ in true } }
        return outputText.split(separator: "\n").map(String.init)
    }

    /// As many log lines with these words as wanted.
    package func logLines(_ count: Int, with words: String, within limit: Duration = .eventDeadline)
        async throws
    {
        try await explained { try await complaints.lines(count, within: limit) { $0.contains(words) } }
    }

    /// The end, once both streams are read to theirs.
    @discardableResult
    package func end(within limit: Duration = .eventDeadline) async throws -> Ending {
        try await explained {
            let how = try await awaitedEnding.first(within: limit) { $0 }
            try await output.end(within: limit)
            try await complaints.end(within: limit)
            return how
        }
    }

    /// Adds to an error what is known of the process.
    private func explained<Value>(_ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch {
            throw Failure(
                description:
                    "\(error); \(command): \(ending.map { "\($0)" } ?? "running"), said: \(log)")
        }
    }

    // MARK: Orders

    /// Sends a signal, unless it has ended.
    package func signal(_ number: Int32) { child.signal(number) }

    /// Kills it, unless it has ended.
    package func discard() { signal(SIGKILL) }
}

/// What a process writes to one of its streams.
final class CapturedStream: Sendable {
    private struct Content {
        var bytes: [UInt8] = []
        var hasEnded = false
    }

    let pipe = Pipe()
    private let content = Watched(Content())

    var text: String { String(decoding: content.value.bytes, as: UTF8.self) }

    /// Reads until the end; the end for writing belongs to the child alone then.
    func start() throws {
        try pipe.fileHandleForWriting.close()
        // On a thread: a readability handler was seen to miss the end.
        Thread.detachNewThread { [pipe, content] in
            while true {
                let arrived = pipe.fileHandleForReading.availableData
                content.update {
                    $0.bytes += arrived
                    $0.hasEnded = arrived.isEmpty
                }
                if arrived.isEmpty { return }
            }
        }
    }

    func line(within limit: Duration, where isWanted: @escaping @Sendable (String) -> Bool) async throws
        -> String
    {
        try await content.first(within: limit) { content in
            if let line = Self.lines(content.bytes).first(where: isWanted) { return line }
            guard !content.hasEnded else { throw CwayProcess.Failure(description: "the stream has ended") }
            return nil
        }
    }

    func lines(_ count: Int, within limit: Duration, where isWanted: @escaping @Sendable (String) -> Bool)
        async throws
    {
        try await content.first(within: limit) { content in
            if Self.lines(content.bytes).filter(isWanted).count >= count { return () }
            guard !content.hasEnded else { throw CwayProcess.Failure(description: "the stream has ended") }
            return nil
        }
    }

    func end(within limit: Duration) async throws {
        try await content.first(within: limit) { $0.hasEnded ? () : nil }
    }

    /// The complete lines.
    private static func lines(_ bytes: [UInt8]) -> [String] {
        guard let end = bytes.lastIndex(of: UInt8(ascii: "\n")) else { return [] }
        return bytes[..<end].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
    }
}
