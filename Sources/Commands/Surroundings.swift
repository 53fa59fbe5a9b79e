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

    /// Puts the three together.
    public init(
        environment: [String: String], output: @escaping @Sendable (String) throws -> Void,
        complaints: @escaping @Sendable (String) -> Void
    ) {
        self.environment = environment
        self.output = output
        self.complaints = complaints
    }

    /// Those of the running command.
    @TaskLocal public static var current = Surroundings.ofProcess

    /// The process's own.
    public static let ofProcess = Surroundings(
        environment: ProcessInfo.processInfo.environment,
        output: { try FileHandle.standardOutput.write(contentsOf: Data($0.utf8)) },
        complaints: { try? FileHandle.standardError.write(contentsOf: Data($0.utf8)) })

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
}
