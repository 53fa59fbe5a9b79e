internal import Glibc
internal import NIOPosix
internal import Node
internal import Transport

/// The event loops of a command; a process that has no descriptors for them is told so before NIO stops it.
enum EventLoops {
    /// What a loop takes: a selector, a timer and a way to wake it.
    private static let countPerLoop = 3
    /// What a command opens besides: standard streams, keyring, names of hosts, signals, and a few connections.
    private static let otherCount = 12

    /// What every command opens: what the runtime waits with, the identity, and the keyring with its locks.
    private static let leastCount = 10

    /// Ends a process that could open nothing: the runtime would end it without a word.
    static func requireLeast() {
        let free = ProcessDescriptors.freeCount(upTo: leastCount)
        guard free < leastCount else { return }
        LogSink.standardError.write("cway: \(shortage(free, leastCount).message)\n")
        // Nothing else is left to do, so a busy machine has time.
        LogSink.standardError.finish(within: .seconds(2))
        exit(ExitStatus.unexpected.rawValue)
    }

    private static func shortage(_ free: Int, _ needed: Int) -> CommandFailure {
        CommandFailure(
            .unexpected,
            "\(free) files and sockets may still be opened, and \(needed) are needed to begin with: "
                + "raise the limit (ulimit -n, LimitNOFILE in a unit)")
    }

    /// That many loops.
    ///
    /// - Throws: ``CommandFailure`` where too few descriptors are left.
    static func make(_ count: Int) throws(CommandFailure) -> MultiThreadedEventLoopGroup {
        let needed = count * countPerLoop + otherCount
        let free = ProcessDescriptors.freeCount(upTo: needed)
        guard free == needed else { throw shortage(free, needed) }
        // One has nothing to be compared with.
        guard count > 1 else { return MultiThreadedEventLoopGroup(numberOfThreads: count) }
        return MultiThreadedEventLoopGroup(numberOfThreads: count, metricsDelegate: LoopLoads.shared)
    }
}
