internal import Foundation

/// What a command meets outside of its arguments: the environment, and where its words go.
///
/// Tests put their own in place: `Surroundings.$current.withValue(…)`.
public struct Surroundings: Sendable {
    /// The environment variables.
    public let environment: [String: String]
    /// Writes results to standard output, as they are; throws when they cannot be delivered.
    public let output: @Sendable (String) throws -> Void
    /// Writes complaints to standard error, as they are.
    public let complaints: @Sendable (String) -> Void
    /// Reads the next line of standard input, without its end; `nil` when there is none any more.
    public let input: @Sendable () -> String?
    /// Whether a person sits at both ends: asks may be answered, and colours seen.
    public let isInteractive: Bool

    /// Puts the parts together; without `input` there is nothing to read.
    public init(
        environment: [String: String], output: @escaping @Sendable (String) throws -> Void,
        complaints: @escaping @Sendable (String) -> Void, input: @escaping @Sendable () -> String? = { nil },
        isInteractive: Bool = false
    ) {
        self.environment = environment
        self.output = output
        self.complaints = complaints
        self.input = input
        self.isInteractive = isInteractive
    }

    /// Those of the running command.
    @TaskLocal public static var current = Surroundings.ofProcess

    /// The process's own.
    public static let ofProcess = Surroundings(
        environment: ProcessInfo.processInfo.environment,
        output: { try FileHandle.standardOutput.write(contentsOf: Data($0.utf8)) },
        complaints: { try? FileHandle.standardError.write(contentsOf: Data($0.utf8)) },
        input: { readLine() }, isInteractive: isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1)

    /// Prints one line of results.
    ///
    /// - Throws: ``CommandFailure`` with ``ExitStatus/unexpected``, lest a script take half a result for one.
    public func print(_ line: String) throws(CommandFailure) {
        do {
            try output(line + "\n")
        } catch {
            throw CommandFailure(
                .unexpected, "standard output did not take the result: see that there is room for it")
        }
    }

    /// Says something that is no result, for people: to standard error, which pipes leave alone.
    public func note(_ line: String) { complaints(line.printable + "\n") }

    /// An argument, or where it is `-` the next line of standard input, without white space around it.
    ///
    /// So what is secret need not stand in the list of processes or a shell's history.
    ///
    /// - Throws: ``CommandFailure`` with ``ExitStatus/usage``, when there is no such line.
    public func argument(_ text: String) throws(CommandFailure) -> String {
        guard text == "-" else { return text.trimmed }
        while let line = input() {
            let line = line.trimmed
            if !line.isEmpty { return line }
        }
        throw CommandFailure(
            .usage, "standard input ended before there was a line: write it there, or as an argument")
    }
}
