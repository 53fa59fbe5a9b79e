internal import Foundation

/// The printing of a code that stands nowhere else and cannot be shown again.
enum CodeDelivery {
    /// Prints what a command has made of a code; where that fails nobody may have it, so its invite is withdrawn.
    ///
    /// - Throws: ``CommandFailure`` with the status of ``Surroundings/print(_:)``.
    static func print(
        _ lines: String, isJSON: Bool, orElse withdraw: () throws(CommandFailure) -> Void
    ) throws(CommandFailure) {
        // A reader that is gone is an error of write, not the end of this process before it could withdraw anything.
        _ = signal(SIGPIPE, SIG_IGN)
        do throws(CommandFailure) {
            if isJSON {
                try Surroundings.current.print(json: lines)
            } else {
                // As they are: the drawing of a code has colours.
                try Surroundings.current.print(exactly: lines)
            }
        } catch let failure {
            do throws(CommandFailure) {
                try withdraw()
            } catch let trouble {
                throw CommandFailure(
                    failure.status,
                    "standard output did not take the code, and the invite stays open (\(trouble.message)): "
                        + "revoke it by hand")
            }
            throw CommandFailure(
                failure.status,
                "standard output did not take the code, so the invite is withdrawn again: see that there is room "
                    + "for it, and make another one")
        }
    }
}
