import Sodium
import Synchronization
import TestSupport
import Testing

/// What peers do to take the service from others, over real sockets, one file per attack; an honest pair beside it.
@Suite("Hostile peers", .serialized)
enum Hostile {
    /// Waits for what nobody tells, and looks a hundred times a second; whether it came to be in time.
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

extension Identity {
    private static let source = Mutex(SeededRandom(seed: 9))

    /// The next of the keys that are the same in each run.
    static func drawn() throws -> Identity {
        let seed = source.withLock { $0.bytes(32) }
        return try Identity(seed: SecretKey(copying: seed.span))
    }
}
