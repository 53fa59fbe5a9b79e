internal import Node

/// The printing of a code that stands nowhere else and cannot be shown again.
enum CodeDelivery {
    /// Prints what a command has made of a code; where that fails nobody may have it, so its invite is withdrawn.
    ///
    /// - Throws: ``CommandFailure`` with the status of ``CommandEnvironment/print(_:)``.
    static func print(
        _ lines: String, isJSON: Bool, orElse withdraw: () throws(CommandFailure) -> Void
    ) throws(CommandFailure) {
        do throws(CommandFailure) {
            try print(lines, isJSON: isJSON)
        } catch let failure {
            do throws(CommandFailure) {
                try withdraw()
            } catch let trouble {
                throw stillOpen(failure, trouble)
            }
            throw withdrawn(failure)
        }
    }

    /// Prints what a command has made of a code; where that fails the caller withdraws it.
    ///
    /// - Throws: ``CommandFailure`` with the status of ``CommandEnvironment/print(_:)``.
    static func print(_ lines: String, isJSON: Bool) throws(CommandFailure) {
        if isJSON {
            try CommandEnvironment.current.print(json: lines)
        } else {
            // As they are: the drawing of a code has colours.
            try CommandEnvironment.current.print(exactly: lines)
        }
    }

    /// Withdraws an invite whose code was not printed.
    ///
    /// - Throws: ``CommandFailure``, always.
    static func withdraw(
        after failure: CommandFailure, by withdraw: () async throws -> Void
    ) async throws(CommandFailure) {
        do {
            try await withdraw()
        } catch {
            throw stillOpen(failure, CommandFailure(cause: error))
        }
        throw withdrawn(failure)
    }

    private static func stillOpen(_ failure: CommandFailure, _ trouble: CommandFailure) -> CommandFailure {
        CommandFailure(
            failure.status,
            "\(failure.message); the invite stays open (\(trouble.message)): revoke it by hand")
    }

    private static func withdrawn(_ failure: CommandFailure) -> CommandFailure {
        CommandFailure(
            failure.status,
            "\(failure.message); so the invite is withdrawn again: make another one")
    }
}
