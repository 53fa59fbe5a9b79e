import Glibc
import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import Testing
import TypedSodium

/// What peers do to take the service from others, over real sockets, one file per attack; an honest pair beside it.
@Suite("Hostile peers", .serialized)
enum Hostile {
    /// Waits for what nobody tells, such as memory that is given back, and looks a hundred times a second; whether it
    /// came to be in time.
    static func eventually(
        within limit: Duration, _ isSo: () async throws -> Bool
    ) async throws -> Bool {
        let end = ContinuousClock.now + limit
        while ContinuousClock.now < end {
            if try await isSo() { return true }
            try await Task.sleep(for: .milliseconds(10))
        }
        return try await isSo()
    }
}

extension MultiThreadedEventLoopGroup {
    /// A thread for those who have machines of their own: here it takes what the others leave of the cores.
    static func ofOthers() -> MultiThreadedEventLoopGroup {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        // Of the thread that calls, on Linux.
        group.next().execute { _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 15) }
        return group
    }
}

extension Identity {
    private static let source = Mutex(SeededRandom(seed: 9))

    /// The next of the keys that are the same in each run.
    static func drawn() throws -> Identity {
        let seed = source.withLock { $0.bytes(32) }
        return try Identity(seed: SecretKey(copying: seed.span))
    }
}
