package import NIOCore

/// How far a connection has come, a portal's or a node's: it goes one way only, and each step has what counts in it.
///
/// `handshake → open → closing → finished`, or `broken` from anywhere. An input that comes too late changes nothing.
package enum ConnectionLifecycle<Handshake: TimedHandshake> {
    /// The peer has not been let in yet.
    case handshake(Handshake)
    /// Both sides speak.
    case open(Liveness)
    /// Our goodbye is said, the peer's is awaited.
    case closing(until: NIODeadline)
    /// Everything is said, and the peer's end is awaited; without a time as long as the channel waits for that.
    case finished(until: NIODeadline?)
    /// It is cut, whatever waits.
    case broken
}

/// What a connection is about before it is open, which may take some time.
package protocol TimedHandshake {
    /// When it has taken too long.
    var deadline: NIODeadline { get }
}

extension NIODeadline: TimedHandshake {
    /// A handshake of which only the time counts.
    package var deadline: NIODeadline { self }
}

extension ConnectionLifecycle {
    // MARK: Where it is

    /// What is to become of the connection.
    package var phase: ConnectionPhase {
        switch self {
        case .handshake, .open, .closing: .running
        case .finished: .finished
        case .broken: .broken
        }
    }

    /// Whether both sides speak.
    package var isOpen: Bool {
        guard case .open = self else { return false }
        return true
    }

    /// Whether our side has said goodbye, or nobody will say anything any more.
    package var isLeaving: Bool {
        switch self {
        case .handshake, .open: false
        case .closing, .finished, .broken: true
        }
    }

    /// Whether nothing will be begun or answered any more.
    package var isOver: Bool {
        switch self {
        case .handshake, .open, .closing: false
        case .finished, .broken: true
        }
    }

    /// When something is due by time alone.
    package var deadline: NIODeadline? {
        switch self {
        case .handshake(let handshake): handshake.deadline
        case .open(let liveness): liveness.deadline
        case .closing(let until): until
        case .finished(let until): until
        case .broken: nil
        }
    }

    // MARK: Going on

    /// The peer is let in, and was heard at `now`; does nothing behind the handshake.
    package mutating func open(at now: NIODeadline, _ patience: Liveness.Patience = .usual) {
        if case .handshake = self { self = .open(Liveness(heardAt: now, patience)) }
    }

    /// Goodbye is said; does nothing where it was before.
    package mutating func close(until time: NIODeadline) {
        if !isLeaving { self = .closing(until: time) }
    }

    /// Everything is said; does nothing where that is so already.
    package mutating func finish(until time: NIODeadline?) {
        if !isOver { self = .finished(until: time) }
    }

    /// The connection is cut.
    package mutating func breakOff() { self = .broken }

    /// Changes what the handshake waits for; `nil` behind it.
    @discardableResult
    package mutating func withHandshake<Result>(_ change: (inout Handshake) -> Result) -> Result? {
        guard case .handshake(var handshake) = self else { return nil }
        defer { self = .handshake(handshake) }
        return change(&handshake)
    }

    // MARK: Liveness

    /// Puts up with more or less silence from now on.
    package mutating func expect(_ patience: Liveness.Patience) {
        guard case .open(var liveness) = self else { return }
        liveness.expect(patience)
        self = .open(liveness)
    }

    /// Another connection stands in the place of this one.
    package mutating func replaced() {
        guard case .open(var liveness) = self else { return }
        liveness.replaced()
        self = .open(liveness)
    }

    /// Whether the peer has been silent for so long that another way is looked for.
    package var isSuspect: Bool {
        guard case .open(let liveness) = self else { return false }
        return liveness.isSuspect
    }

    /// Bytes arrived.
    package mutating func heard(at now: NIODeadline) {
        guard case .open(var liveness) = self else { return }
        liveness.heard(at: now)
        self = .open(liveness)
    }

    /// Bytes were sent.
    package mutating func sent(at now: NIODeadline) {
        guard case .open(var liveness) = self else { return }
        liveness.sent(at: now)
        self = .open(liveness)
    }

    /// The peer's system has so many bytes of what was sent, over all time, and more is on the way.
    package mutating func acknowledged(_ byteCount: UInt64, at now: NIODeadline) {
        guard case .open(var liveness) = self else { return }
        liveness.acknowledged(byteCount, at: now)
        self = .open(liveness)
    }

    /// Whether something that was sent is unanswered, so that it matters what the system has of it.
    package var isUnanswered: Bool {
        guard case .open(let liveness) = self else { return false }
        return liveness.isUnanswered
    }

    /// The clock went on: what is to be done about a peer that is silent while the connection is open, and whose silence
    /// is put up with in another way from now on where `patience` says so.
    package mutating func livenessReached(
        _ now: NIODeadline, expecting patience: Liveness.Patience? = nil
    ) -> Liveness.Action {
        guard case .open(var liveness) = self else { return .wait }
        if let patience { liveness.expect(patience) }
        let action = liveness.timeReached(now)
        self = .open(liveness)
        return action
    }
}
