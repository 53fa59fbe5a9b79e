internal import NIOCore
internal import NIOPosix
internal import Synchronization
internal import Tunnel

/// The thread on which callers' proofs are looked at, one for the process: no event loop works for a liar.
///
/// The order and the pace are the ``ProofQueue``'s.
final class ProofThread: Sendable {
    static let shared = ProofThread()

    private struct Job: Sendable {
        let work: ProofWork
        let deliver: @Sendable () -> Void
    }

    private struct State {
        var queue = ProofQueue<Job>(at: .now())
        var timer: (at: NIODeadline, task: Scheduled<Void>)?
    }

    private let loop: any EventLoop
    private let state = Mutex(State())

    private init() { loop = MultiThreadedEventLoopGroup(numberOfThreads: 1).next() }

    /// Has a proof looked at, or turned away where it would wait too long; `deliver` is called then, on any thread.
    func look(at work: ProofWork, deliver: @escaping @Sendable () -> Void) {
        let job = Job(work: work, deliver: deliver)
        guard state.withLock({ $0.queue.append(job, of: work.causer, at: .now()) }) else {
            work.turnAway()
            return deliver()
        }
        loop.execute { self.resumeProcessing() }
    }

    /// Has the next proofs of this causer come later.
    func noteWrong(_ causer: HandshakeCauser) {
        state.withLock { $0.queue.noteWrong(causer, at: .now()) }
    }

    private func resumeProcessing() {
        while let job = state.withLock({ $0.queue.next(at: .now()) }) {
            job.work.look()
            job.deliver()
        }
        state.withLock { state in
            guard let due = state.queue.readyAt else { return }
            if let timer = state.timer {
                guard timer.at > due else { return }
                timer.task.cancel()
            }
            state.timer = (due, loop.scheduleTask(deadline: due) { self.timeReached() })
        }
    }

    private func timeReached() {
        state.withLock { $0.timer = nil }
        resumeProcessing()
    }
}
