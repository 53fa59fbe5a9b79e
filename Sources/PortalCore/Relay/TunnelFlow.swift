package import Account
internal import Connection
internal import Synchronization

/// What one tunnel has queued in one direction, as its sender and its receiver see it.
///
/// The sending connection adds what it hands over, the receiving one releases it when its socket takes it; they live
/// on different event loops. So the sender knows at once when it has to pause, and a sender that pauses is resumed exactly
/// once. One short lock per batch, not per packet: atomics would leave a gap between the number of bytes and the wish
/// to be resumed.
///
/// Bytes are counted at what they cost in memory, and charged to the tunnel's account; a charge goes with its batch, and
/// lasts as long as that, also when the flow is closed before.
///
/// ### Invariants
/// - What is queued is what was added and neither released nor closed away, and counts in the endpoint's load.
/// - It counts among those that fill exactly while it has more than the least queued.
/// - A sender that waits to be resumed has something queued, so a release will see to it.
/// - Nothing is queued, filling or paused once it is closed.
package final class TunnelFlow: Sendable {
    /// The most that may be queued before the sender pauses, in bytes: 32 MiB, and a sixteenth for what frames it.
    ///
    /// A session with credit has 4 MiB under way; programs without it, as JavaScript's, may send a file ahead.
    package static let limitByteCount = 34 << 20

    /// What one read of the sender's socket brings at most, in bytes: with room for that a pause ends.
    package static let readByteCount = ReadSize.greatestByteCount

    /// How much of what came over a link is sent on before more is granted, in bytes: a quarter of the first window.
    static let grantByteCount = ReceiveWindow.firstByteCount / 4

    /// What one queue may always hold while its endpoint's part is taken by others, in bytes: one turn.
    static let leastByteCount = 64 << 10

    /// What a queue may hold without a pause, whatever else is held.
    ///
    /// An endpoint sends credit to a thousand callers: to read it no more for so little has all of them wait for each.
    static let smallByteCount = 4 << 10

    /// What became of bytes that were added.
    package enum Admission {
        /// They are queued, and charged; where that is enough, pause until the receiver says so.
        case queued(Charge, isFull: Bool)
        /// There is no memory for them: somebody has to give way.
        case refused
        /// The flow is closed: they are to be dropped.
        case closed
    }

    private struct State {
        var queuedByteCount = 0
        /// Whether it counts among those that fill.
        var isFilling = false
        var isPaused = false
        var isClosed = false
        /// What the receiver has sent on since ``takeDrained()``, in bytes as sessions send them.
        var drainedByteCount = 0

        var invariantsHold: Bool {
            queuedByteCount >= 0 && isFilling == (queuedByteCount > TunnelFlow.leastByteCount)
                && (!isPaused || queuedByteCount > 0) && (!isClosed || queuedByteCount == 0)
        }
    }

    /// The tunnel.
    package let tunnel: TunnelID

    /// Who has caused the tunnel; turns go by this.
    package let causer: Account

    /// For whom what passes is counted.
    package let meters: TrafficMeters

    private let account: Account
    private let load: EndpointLoad
    private let limit: Int
    /// After how many bytes that the receiver has sent on the sender is told, where that grants credit for them.
    private let drainedStep: Int
    private let state = Mutex(State())

    /// A flow with nothing queued.
    ///
    /// Everything is charged to `account`, the tunnel's; `causer` is the account of its causer, over all their
    /// connections; `load` counts what all tunnels of the endpoint hold. A sender that `grantsCredit` is told about every
    /// ``grantByteCount`` that the receiver has sent on.
    package init(
        tunnel: TunnelID, account: Account, causer: Account, load: EndpointLoad,
        meters: TrafficMeters = TrafficMeters(),
        limitByteCount: Int = TunnelFlow.limitByteCount, grantsCredit: Bool = false
    ) {
        self.tunnel = tunnel
        self.account = account
        self.causer = causer
        self.load = load
        self.meters = meters
        limit = limitByteCount
        drainedStep = grantsCredit ? Self.grantByteCount : .max
    }

    /// What waits, in bytes of memory, that between the two loops included.
    package var queuedByteCount: Int { state.withLock { $0.queuedByteCount } }

    /// How much the sender had better hand over at once now, in bytes.
    package var turnByteCount: Int { load.turnByteCount }

    /// Whether the sender waits to be resumed.
    package var isPaused: Bool { state.withLock { $0.isPaused } }

    /// Whether nothing is queued any more, because the tunnel was cut or has ended.
    package var isClosed: Bool { state.withLock { $0.isClosed } }

    /// What tells the causer from others, while this lives.
    var causerID: Int { causer.id }

    /// The sender hands bytes over.
    package func add(_ byteCount: Int) -> Admission {
        guard !isClosed else { return .closed }
        guard let (charge, hasRoom) = account.charge(byteCount, leaving: Self.readByteCount) else {
            return .refused
        }
        return add(charge, hasRoom: hasRoom)
    }

    /// The sender hands over bytes for which another tunnel has to go.
    package func overdraw(_ byteCount: Int) -> Admission {
        isClosed ? .closed : add(account.overdraw(byteCount), hasRoom: false)
    }

    private func add(_ charge: Charge, hasRoom: Bool) -> Admission {
        state.withLock { state in
            guard !state.isClosed else { return .closed }
            hold(charge.count, in: &state)
            let isShort = !hasRoom && state.queuedByteCount > Self.smallByteCount
            state.isPaused =
                state.isPaused || isShort || state.queuedByteCount > limit || !leavesRoom(state)
            assert(state.invariantsHold)
            return .queued(charge, isFull: state.isPaused)
        }
    }

    /// What was added costs less, or more, because it was put together with what stood in front of it.
    func change(by byteCount: Int) {
        state.withLock { state in
            if !state.isClosed { hold(byteCount, in: &state) }
        }
    }

    /// The receiver has sent bytes on, which were `wireByteCount` for its session; whether the sender is to be resumed.
    package func release(_ byteCount: Int, carrying wireByteCount: Int = 0) -> Bool {
        state.withLock { state in
            guard !state.isClosed else { return false }
            hold(-min(byteCount, state.queuedByteCount), in: &state)
            let isTold = state.drainedByteCount >= drainedStep
            if drainedStep < .max { state.drainedByteCount += wireByteCount }
            let isResumed = resume(&state) || (!isTold && state.drainedByteCount >= drainedStep)
            assert(state.invariantsHold)
            return isResumed
        }
    }

    /// What the receiver has sent on since this was asked, in bytes as its session sends them.
    func takeDrained() -> Int {
        state.withLock { state in
            defer { state.drainedByteCount = 0 }
            return state.drainedByteCount
        }
    }

    /// Whether the sender is to be resumed though nothing was sent on, because others have left room since.
    package func resumeIfRoom() -> Bool { state.withLock { resume(&$0) } }

    /// Gives everything back and takes nothing more; whether this call was the one that did it.
    @discardableResult
    package func close() -> Bool {
        state.withLock { state in
            guard !state.isClosed else { return false }
            hold(-state.queuedByteCount, in: &state)
            state = State(isClosed: true)
            assert(state.invariantsHold)
            return true
        }
    }

    /// Holds so much more, or less.
    private func hold(_ byteCount: Int, in state: inout State) {
        state.queuedByteCount += byteCount
        load.add(byteCount)
        let isFilling = state.queuedByteCount > Self.leastByteCount
        guard isFilling != state.isFilling else { return }
        state.isFilling = isFilling
        load.fills(isFilling)
    }

    /// Ends a pause when another read fits, or nothing is left to wait for; whether it did.
    private func resume(_ state: inout State) -> Bool {
        guard state.isPaused else { return false }
        let read = min(Self.readByteCount, limit / 2)
        let fits = state.queuedByteCount + read <= limit && leavesRoom(state)
        let isShort = state.queuedByteCount > Self.smallByteCount && !account.hasRoom(for: read)
        guard state.queuedByteCount == 0 || fits && !isShort else { return false }
        state.isPaused = false
        return true
    }

    /// Whether the queue is no longer than what all of the endpoint's leave.
    private func leavesRoom(_ state: State) -> Bool {
        state.queuedByteCount <= load.thresholdByteCount
    }
}
