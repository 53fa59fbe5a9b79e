internal import Foundation
internal import Synchronization

/// How much of a process is in memory, looked at fifty times a second.
final class MemoryWatch: Sendable {
    private struct State {
        var peak: Int
        var last: Int
        var isStopped = false
    }

    /// What was in memory at first, in bytes.
    let firstByteCount: Int
    private let state: Mutex<State>

    init(_ child: Child) {
        let first = ProcessTable.byteCount(of: child.id)
        firstByteCount = first
        state = Mutex(State(peak: first, last: first))
        Thread.detachNewThread { [self] in
            while child.isRunning, !state.withLock({ $0.isStopped }) {
                let byteCount = ProcessTable.byteCount(of: child.id)
                state.withLock { state in
                    state.last = byteCount
                    state.peak = max(state.peak, byteCount)
                }
                Thread.sleep(forTimeInterval: 0.02)
            }
        }
    }

    /// The most that was in memory since, in bytes.
    var peakByteCount: Int { state.withLock { $0.peak } }

    /// How long it takes until no more than so much is in memory above the first; `nil` where it takes longer.
    func returnTime(to byteCount: Int, within limit: Duration) async throws -> Duration? {
        let start = ContinuousClock.now
        while ContinuousClock.now - start < limit {
            if state.withLock({ $0.last }) <= firstByteCount + byteCount {
                return ContinuousClock.now - start
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        return nil
    }

    func stop() { state.withLock { $0.isStopped = true } }
}
