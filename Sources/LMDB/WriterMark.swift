internal import CLMDB
internal import Synchronization

/// Which thread of this process writes, so that it does not wait for itself.
struct WriterMark: ~Copyable, Sendable {
    /// Threads whose `write` has begun or waits; a handful at most.
    private let threads = Mutex<Set<UInt>>([])

    func enter() {
        let isFirst = threads.withLock { $0.insert(shim_current_thread()).inserted }
        precondition(isFirst, "write was called inside write: pass the transaction on instead")
    }

    func leave() {
        threads.withLock { _ = $0.remove(shim_current_thread()) }
    }
}
