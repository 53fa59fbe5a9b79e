internal import Dispatch
internal import Glibc
internal import Node
internal import Synchronization

/// Where all text for standard error goes: a bounded queue, and one thread that writes it.
///
/// Nobody who logs waits for the reader of a pipe, a slow disk or a stopped terminal; only the thread does.
final class LogSink: Sendable {
    /// How long the process waits at its end for what is queued.
    static let finishTime = Duration.milliseconds(250)

    /// After how long it is said of which kinds lines were left out, where no line of the kind has said it.
    static let omissionTime = Duration.seconds(60)

    /// How long the thread waits after a write that failed.
    private static let failurePause = Duration.seconds(1)

    /// The process's standard error.
    static let standardError = LogSink(descriptor: STDERR_FILENO)

    private struct State {
        var throttle = LogThrottle()
        var backlog = LogBacklog()
        var hasThread = false
        /// The thread waits for work.
        var isIdle = false
        /// When it is to be said what was left out.
        var omissionDue: ContinuousClock.Instant?
        /// The reader is gone for good.
        var isBroken = false
        var waiters: [DispatchSemaphore] = []
    }

    private enum Outcome {
        case written, failed, broken
    }

    private let descriptor: Int32
    private let state = Mutex(State())
    private let work = DispatchSemaphore(value: 0)

    init(descriptor: Int32) { self.descriptor = descriptor }

    /// Queues text as it is.
    func write(_ text: String) { enqueue { _ in text } }

    /// Queues the line that `line` makes, unless there are too many of its kind.
    ///
    /// `line` gets the number of lines of the kind that were left out before.
    func log(_ kind: String, about subject: String?, _ line: (_ omittedCount: Int) -> String) {
        let now = ContinuousClock.now
        enqueue { $0.throttle.admit(kind, about: subject, at: now).map(line) }
    }

    /// Waits until everything is written, for a limited time; whether it is.
    @discardableResult
    func finish(within limit: Duration = finishTime) -> Bool {
        let written = DispatchSemaphore(value: 0)
        let isDone = state.withLock { state in
            if state.backlog.isEmpty || state.isBroken { return true }
            state.waiters.append(written)
            return false
        }
        if isDone { return true }
        let (seconds, attoseconds) = limit.components
        let nanoseconds = Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000)
        return written.wait(timeout: .now() + .nanoseconds(nanoseconds)) == .success
    }

    private func enqueue(_ text: (inout State) -> String?) {
        let (startsThread, wakesThread) = state.withLock { state in
            guard !state.isBroken else { return (false, false) }
            guard let text = text(&state) else {
                // The thread has to see that there is something to be told in a while.
                let wakes = state.isIdle && state.omissionDue == nil
                if wakes { state.isIdle = false }
                return (false, wakes)
            }
            state.backlog.append(text)
            let (starts, wakes) = (!state.hasThread, state.isIdle)
            state.hasThread = true
            state.isIdle = false
            return (starts, wakes)
        }
        if startsThread { DetachedThread.start { self.run() } }
        if wakesThread { work.signal() }
    }

    // MARK: The thread

    private func run() {
        // A reader that is gone is an error of write, and no reason for the process to end.
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        unsafe sigaddset(&signals, SIGPIPE)
        unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
        while true {
            let batch = state.withLock { state in
                guard !state.backlog.isEmpty else {
                    for waiter in state.waiters { waiter.signal() }
                    state.waiters = []
                    state.isIdle = true
                    return nil as [UInt8]?
                }
                return state.backlog.take()
            }
            guard let batch else {
                awaitWork()
                continue
            }
            let outcome = write(batch)
            state.withLock { state in
                let lostCount = outcome == .failed ? batch.count { $0 == UInt8(ascii: "\n") } : 0
                state.backlog.finishedWriting(droppedCount: lostCount)
                guard outcome == .broken else { return }
                state.isBroken = true
                state.backlog = LogBacklog()
            }
            if outcome == .failed { DetachedThread.sleep(for: Self.failurePause) }
        }
    }

    /// Waits for work; says after ``omissionTime`` what was left out, where no line has come that says it.
    private func awaitWork() {
        let now = ContinuousClock.now
        let due = state.withLock { state -> ContinuousClock.Instant? in
            guard state.throttle.hasOmitted else {
                state.omissionDue = nil
                return nil
            }
            state.omissionDue = state.omissionDue ?? now + Self.omissionTime
            return state.omissionDue
        }
        guard let due else { return work.wait() }
        let milliseconds = Int((due - now) / .milliseconds(1))
        guard milliseconds <= 0 || work.wait(timeout: .now() + .milliseconds(milliseconds)) == .timedOut
        else {
            return
        }
        let time = WallClock.seconds()
        state.withLock { state in
            for (kind, count) in state.throttle.takeOmitted() {
                let line = LogLine(
                    time: time, level: .notice, kind: "lines were left out", module: "Commands",
                    values: ["count": "\(count)", "kind": "\(kind)"], omittedCount: 0)
                state.backlog.append(line.text(LogOutput.format) + "\n")
            }
            state.omissionDue = nil
            state.isIdle = false
        }
    }

    private func write(_ batch: [UInt8]) -> Outcome {
        var written = 0
        while written < batch.count {
            let count = unsafe batch.withUnsafeBytes {
                unsafe Glibc.write(
                    descriptor, $0.baseAddress.map { unsafe $0 + written }, batch.count - written)
            }
            if count > 0 {
                written += count
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN:
                // The descriptor may be shared with a program that does not want to wait.
                var poll = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = unsafe Glibc.poll(&poll, 1, -1)
            case EPIPE, EBADF: return .broken
            default: return .failed  // a full disk, most likely: the next lines may find room
            }
        }
        return .written
    }
}
