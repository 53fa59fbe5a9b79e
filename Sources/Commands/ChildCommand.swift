internal import Node

/// A command of this program that runs in a process of its own, for what may end in a signal.
enum ChildCommand {
    /// How it ended.
    enum Ending: Equatable {
        case exited(Int32)
        case killed(signal: Int32)
    }

    /// Runs a command line, which writes to the same places as this process, and waits for its end.
    ///
    /// - Throws: ``CommandFailure``.
    static func run(_ arguments: [String]) throws(CommandFailure) -> Ending {
        let child: OwnProgram
        do throws(OwnProgram.Failure) {
            child = try OwnProgram(starting: arguments)
        } catch {
            throw CommandFailure(.unexpected, "the program could not start itself: \(error)")
        }
        let status = child.wait()
        // See wait(2): the low seven bits are the signal, the next eight the code.
        return status & 0x7F == 0 ? .exited(status >> 8 & 0xFF) : .killed(signal: status & 0x7F)
    }
}
