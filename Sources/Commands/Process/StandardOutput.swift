internal import Glibc
internal import Node
internal import Synchronization

/// Where results go: every write is waited for and looked at, and what failed once is not forgotten.
final class StandardOutput: Sendable {
    private struct State {
        var hasWritten = false
        var failure: StandardStreamFailure?
    }

    /// The process's.
    static let ofProcess = StandardOutput(descriptor: STDOUT_FILENO)

    private let descriptor: Int32
    private let state = Mutex(State())

    init(descriptor: Int32) { self.descriptor = descriptor }

    /// Writes all of a text, before any other.
    func write(_ text: String) throws(StandardStreamFailure) {
        let result = state.withLock { state -> Result<Void, StandardStreamFailure> in
            state.hasWritten = true
            do throws(StandardStreamFailure) {
                return .success(try StandardStream.write(Array(text.utf8)[...], to: descriptor))
            } catch {
                state.failure = state.failure ?? error
                return .failure(error)
            }
        }
        try result.get()
    }

    /// Why not everything was delivered; `nil` when it was, as far as the system can tell.
    ///
    /// Waits for nobody: a thread whose write still waits has not delivered everything.
    func finish() -> StandardStreamFailure? {
        let outcome = state.withLockIfAvailable { state -> StandardStreamFailure? in
            guard state.hasWritten, state.failure == nil else { return state.failure }
            // A file system may say only at the end that it had no room; of a copy, so that the number stays taken.
            let copy = dup(descriptor)
            guard copy >= 0, close(copy) < 0, errno != EINTR else { return nil }
            return StandardStreamFailure(.output, code: errno)
        }
        return outcome ?? StandardStreamFailure(.output, code: EAGAIN)
    }
}
