internal import ArgumentParser
internal import Foundation
internal import ServiceLifecycle

/// The options of every command that serves until it is told to stop.
struct ServingOptions: ParsableArguments, Sendable {
    @Flag(
        name: .customLong("until-input-ends"),
        help: ArgumentHelp("Stop also when standard input ends.", visibility: .hidden))
    var untilInputEnds = false
}

/// Ends when standard input does, and all services with it: for a process that must not outlive its parent.
///
/// The parent holds the other end of a pipe, which the system closes however the parent ends.
struct InputWatch: Service {
    func run() async throws {
        let (ends, continuation) = AsyncStream.makeStream(of: Void.self)
        // A thread of its own, because reading blocks; it ends with the process.
        Thread.detachNewThread {
            while let bytes = try? FileHandle.standardInput.read(upToCount: 4096), !bytes.isEmpty {}
            continuation.finish()
        }
        for await _ in ends.cancelOnGracefulShutdown() {}
    }
}
