internal import Glibc
package import Node

/// What a command meets outside of its arguments: the environment, and where its words go.
///
/// Tests put their own in place: `CommandEnvironment.$current.withValue(…)`.
package struct CommandEnvironment: Sendable {
    /// Asks a question, and returns what is typed once `isComplete` says that it is all.
    package typealias HiddenInput =
        @Sendable (_ question: String, _ isComplete: (String) -> Bool) throws -> String

    /// The environment variables.
    package let environment: [String: String]
    /// Writes results to standard output, as they are; throws when they cannot be delivered.
    package let output: @Sendable (String) throws -> Void
    /// Writes complaints to standard error, as they are, and waits for nobody who reads them.
    package let complaints: @Sendable (String) -> Void
    /// Reads the next line of standard input, without its end; `nil` when there is none any more.
    ///
    /// Throws when it cannot be read.
    package let input: @Sendable () throws -> String?
    /// Whether a person sits at both ends: asks may be answered, and colours seen.
    package let isInteractive: Bool
    /// Whether results go to a terminal, which takes some characters for orders.
    package let isOutputTerminal: Bool
    /// Asks for something secret at the terminal, without echo, until it is told that it has come; `nil` where standard
    /// input is none.
    package let hiddenInput: HiddenInput?
    /// Overwrites an argument where the list of processes shows it.
    package let hideArgument: @Sendable (String) -> Void

    /// Puts the parts together; without `input` there is nothing to read.
    package init(
        environment: [String: String], output: @escaping @Sendable (String) throws -> Void,
        complaints: @escaping @Sendable (String) -> Void,
        input: @escaping @Sendable () throws -> String? = { nil },
        isInteractive: Bool = false, isOutputTerminal: Bool = false,
        hiddenInput: HiddenInput? = nil,
        hideArgument: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.environment = environment
        self.output = output
        self.complaints = complaints
        self.input = input
        self.isInteractive = isInteractive
        self.isOutputTerminal = isOutputTerminal
        self.hiddenInput = hiddenInput
        self.hideArgument = hideArgument
    }

    /// Those of the running command.
    @TaskLocal package static var current = CommandEnvironment.ofProcess

    /// The process's own.
    package static let ofProcess = CommandEnvironment(
        environment: ProcessText.environment,
        output: { try StandardOutput.ofProcess.write($0) },
        complaints: { LogSink.standardError.write($0) },
        input: { try StandardInput.ofProcess.line() },
        isInteractive: isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1,
        isOutputTerminal: isatty(STDOUT_FILENO) == 1,
        hiddenInput: isatty(STDIN_FILENO) == 1 ? SecretPrompt.ask : nil,
        hideArgument: { ArgumentMemory.overwrite($0) })

    /// The same, but for where results go.
    func writing(to output: @escaping @Sendable (String) throws -> Void) -> CommandEnvironment {
        CommandEnvironment(
            environment: environment, output: output, complaints: complaints, input: input,
            isInteractive: isInteractive, isOutputTerminal: isOutputTerminal, hiddenInput: hiddenInput,
            hideArgument: hideArgument)
    }

    /// Prints results for people, in plain characters.
    ///
    /// - Throws: ``CommandFailure`` with ``ExitStatus/standardStreamFailed``, lest a script take half a result for one.
    package func print(_ words: String) throws(CommandFailure) { try print(exactly: words.printable) }

    /// Prints a JSON text on a line; at a terminal with escapes for what is not plain.
    ///
    /// - Throws: ``CommandFailure`` as ``print(_:)``.
    package func print(json text: String) throws(CommandFailure) {
        try print(exactly: isOutputTerminal ? text.printableJSON : text)
    }

    /// Prints JSON or words, as a command's option says.
    ///
    /// - Throws: ``CommandFailure`` as ``print(_:)``.
    func print(_ text: String, isJSON: Bool) throws(CommandFailure) {
        if isJSON { try print(json: text) } else { try print(text) }
    }

    /// Prints what has been made here character by character, a drawing for example.
    ///
    /// - Throws: ``CommandFailure`` as ``print(_:)``.
    func print(exactly line: String) throws(CommandFailure) {
        do {
            try output(line + "\n")
        } catch {
            throw CommandFailure(undelivered: error)
        }
    }

    /// Says something that is no result, for people: to standard error, which pipes leave alone.
    package func note(_ line: String) { complaints(line.printable + "\n") }

    /// Asks a person to decide; everything but a yes is a no, also a terminal that cannot be read.
    func isConfirmed(_ question: String) -> Bool {
        complaints("\(question.printableLine) [y/N] ")
        let answer = try? input()
        return ["y", "yes"].contains(answer?.trimmed.lowercased())
    }
}

// MARK: Secrets

extension CommandEnvironment {
    /// How much is read of standard input in search of a secret, in characters.
    private static let secretLimit = 65_536

    /// A text with a secret in it: from a terminal, without echo, or from standard input, up to where `isFound` says
    /// that it is there; or arguments, which are overwritten where other users see them.
    ///
    /// - Parameters:
    ///   - arguments: what the command line says, where several are a text with spaces that nobody put in quotes; none and
    ///     `-` are for a question, or standard input.
    ///   - question: what to ask at a terminal.
    ///   - isFound: whether a text has the secret in it.
    /// - Returns: the text, with whatever is around the secret.
    /// - Throws: ``CommandFailure`` with ``ExitStatus/usage``, when there is nothing to read.
    func secret(
        _ arguments: [String], asking question: String, isFound: (String) -> Bool
    ) throws -> String {
        guard arguments.isEmpty || arguments == ["-"] else {
            for argument in arguments { hideArgument(argument) }
            return arguments.joined(separator: " ")
        }
        if let hiddenInput {
            return try hiddenInput(question) { isFound($0) || !CodeText.isBegun(in: $0) }
        }
        var text = ""
        while text.utf8.count < Self.secretLimit, !isFound(text), let line = try input() {
            text += String(line.prefix(Self.secretLimit)) + "\n"
        }
        guard !text.trimmed.isEmpty else {
            throw CommandFailure(
                .usage, "standard input ended before there was a line: write it there, or as an argument")
        }
        return text
    }
}
