internal import Glibc

/// A thread for what blocks as long as it likes: neither event loops nor Swift's own threads wait for it.
///
/// Safety: what it does is handed over to it as one reference, which it takes once.
package enum DetachedThread {
    private final class Work: Sendable {
        let body: @Sendable () -> Void

        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Does `body` on a thread of its own, which ends with it.
    package static func start(_ body: @escaping @Sendable () -> Void) {
        var thread: pthread_t = 0
        let work = unsafe Unmanaged.passRetained(Work(body))
        let code = unsafe pthread_create(
            &thread, nil,
            { work in
                if let work = unsafe work {
                    unsafe Unmanaged<Work>.fromOpaque(work).takeRetainedValue().body()
                }
                return nil
            }, work.toOpaque())
        // A handful are started in the whole life of a process, none of them by a peer's doing.
        precondition(code == 0, "the system gives this process no thread: \(systemReason(code))")
        pthread_detach(thread)
    }

    /// Blocks the thread that calls it, for at least so long.
    package static func sleep(for duration: Duration) {
        let (seconds, attoseconds) = duration.components
        var rest = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
        var left = timespec()
        while unsafe nanosleep(&rest, &left) != 0, errno == EINTR { rest = left }
    }
}
