public import NIOCore
internal import Synchronization

/// What one tunnel has queued in one direction, as its sender, its receiver and the memory budget see it.
///
/// The sending connection adds bytes when it hands them over, the receiving one releases them when its socket
/// takes them; they live on different event loops. So the sender knows at once when it has to pause, and whoever
/// pauses is resumed exactly once. One short lock per batch, not per packet: atomics would leave a gap between
/// the number of bytes and the wish to be resumed.
public final class TunnelFlow: Sendable {
    /// The most that may be queued before the sender pauses, in bytes: 4 MiB, and a sixteenth for what frames it.
    ///
    /// A session with credit has 4 MiB under way, and 2 % around it: who keeps the rules of credit is not paused.
    public static let limitByteCount = 17 << 18

    /// What became of bytes that were added.
    public enum Admission: Equatable, Sendable {
        /// They are queued.
        case queued
        /// They are queued, and that is enough: pause until the receiver says so.
        case full
        /// The flow is closed: they are to be dropped.
        case closed
    }

    private struct State {
        var queuedByteCount = 0
        var oldest: NIODeadline?
        var isPaused = false
        var isClosed = false

        /// Ends a pause when half of the limit is free; whether it did.
        mutating func resume(below limit: Int) -> Bool {
            guard isPaused, queuedByteCount <= limit / 2 else { return false }
            isPaused = false
            return true
        }
    }

    /// The tunnel.
    public let tunnel: TunnelID

    private let limit: Int
    private let budget: MemoryBudget
    private let state = Mutex(State())

    init(tunnel: TunnelID, limit: Int, budget: MemoryBudget) {
        self.tunnel = tunnel
        self.limit = limit
        self.budget = budget
    }

    /// How many bytes wait, those between the two loops included.
    public var queuedByteCount: Int { state.withLock { $0.queuedByteCount } }

    /// About when the oldest byte that waits was queued; `nil` when none does.
    public var oldest: NIODeadline? { state.withLock { $0.oldest } }

    /// Whether the sender waits to be resumed.
    public var isPaused: Bool { state.withLock { $0.isPaused } }

    /// Whether nothing is queued any more, because the tunnel was cut or has ended.
    public var isClosed: Bool { state.withLock { $0.isClosed } }

    /// The sender hands bytes over.
    public func add(_ byteCount: Int, at now: NIODeadline) -> Admission {
        let limit = currentLimit
        let admission = state.withLock { state -> Admission in
            guard !state.isClosed else { return .closed }
            state.queuedByteCount += byteCount
            if state.oldest == nil { state.oldest = now }
            state.isPaused = state.isPaused || state.queuedByteCount > limit
            return state.isPaused ? .full : .queued
        }
        if admission != .closed { budget.charge(byteCount) }
        return admission
    }

    /// The receiver has sent bytes on; whether the sender is to be resumed.
    ///
    /// `next` is when the bytes behind them were queued; `nil` where the receiver holds no more.
    public func release(_ byteCount: Int, next: NIODeadline?) -> Bool {
        let limit = currentLimit
        let (released, resumes) = state.withLock { state -> (Int, Bool) in
            guard !state.isClosed else { return (0, false) }
            let released = min(byteCount, state.queuedByteCount)
            state.queuedByteCount -= released
            state.oldest = next
            return (released, state.resume(below: limit))
        }
        budget.discharge(released)
        return resumes
    }

    /// Whether the sender is to be resumed though nothing was sent on, because others have left room since.
    @usableFromInline
    func resumeIfRoom() -> Bool {
        let limit = currentLimit
        return state.withLock { $0.resume(below: limit) }
    }

    /// What may be queued now, which depends on what all the others have queued.
    private var currentLimit: Int { min(limit, budget.shareByteCount) }

    /// Takes note that bytes stand in the receiver's queue since then, if nothing older does.
    @usableFromInline
    func arrived(at time: NIODeadline) {
        state.withLock { state in
            if !state.isClosed, state.oldest == nil { state.oldest = time }
        }
    }

    /// Gives everything back and takes nothing more; whether this call was the one that did it.
    @discardableResult
    public func close() -> Bool {
        let released = state.withLock { state -> Int? in
            guard !state.isClosed else { return nil }
            defer { state = State(isClosed: true) }
            return state.queuedByteCount
        }
        guard let released else { return false }
        budget.discharge(released)
        budget.forget(self)
        return true
    }
}
