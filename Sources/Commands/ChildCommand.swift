internal import Foundation

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
        let process = Process()
        process.executableURL = try executable()
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        do {
            try process.run()
        } catch {
            throw CommandFailure(.unexpected, "the program could not start itself: \(error)")
        }
        process.waitUntilExit()
        return process.terminationReason == .exit
            ? .exited(process.terminationStatus) : .killed(signal: process.terminationStatus)
    }

    private static func executable() throws(CommandFailure) -> URL {
        // A name like "cway" in the arguments may have been found through PATH; the system knows the file.
        let path =
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
            ?? CommandLine.arguments.first ?? ""
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw CommandFailure(.unexpected, "the program does not find itself: start it by its path")
        }
        return URL(fileURLWithPath: path)
    }
}
