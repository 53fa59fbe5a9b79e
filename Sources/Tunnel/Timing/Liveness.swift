public import NIOCore

/// Whether a peer is still there: asked after some silence, given up after more; sooner where it owes an answer.
///
/// What was sent and has not been answered by anything at all is what shows a path that is gone, such as that of a
/// machine whose address has changed. On a line that is only slow the peer's system acknowledges more and more of it, so
/// there the time begins again whenever it has.
public struct Liveness: Sendable {
    /// How long a peer may be silent before it is asked.
    public static let askAfter = TimeAmount.seconds(25)
    /// How long a peer may be silent before it is given up: two tries of TCP's own later.
    public static let giveUpAfter = TimeAmount.seconds(45)
    /// How long what was sent may be unanswered before the peer is asked.
    public static let askUnansweredAfter = TimeAmount.seconds(5)
    /// How long it may be unanswered before the peer is given up.
    public static let giveUpUnansweredAfter = TimeAmount.seconds(10)

    /// What to do when ``deadline`` is reached.
    public enum Action: Equatable, Sendable {
        /// Nothing: something was heard in the meantime.
        case wait
        /// Call `tunnel.ping`; any answer, an error too, is a sign of life.
        case ask
        /// End the connection.
        case giveUp
    }

    private var heardAt: NIODeadline
    /// Since when there is something unanswered that was sent; `nil` where there is not.
    private var unansweredSince: NIODeadline?
    /// How much of what was sent the peer's system had when it was last looked at, in bytes; `nil` before that.
    private var acknowledgedByteCount: UInt64?
    private var hasAsked = false
    /// Whether what is sent next is the question of an idle connection, which has the time of one.
    private var isAsking = false

    /// The peer was heard at `now`.
    public init(heardAt now: NIODeadline) { heardAt = now }

    /// Bytes arrived.
    public mutating func heard(at now: NIODeadline) {
        heardAt = now
        (unansweredSince, acknowledgedByteCount) = (nil, nil)
        (hasAsked, isAsking) = (false, false)
    }

    /// Bytes were sent.
    public mutating func sent(at now: NIODeadline) {
        guard !isAsking else {
            isAsking = false
            return
        }
        if unansweredSince == nil { unansweredSince = now }
    }

    /// The peer's system has so many bytes of what was sent, over all time, and more is on the way.
    ///
    /// What it has to the end says that a system is there, not that anybody reads.
    public mutating func acknowledged(_ byteCount: UInt64, at now: NIODeadline) {
        if unansweredSince != nil, let former = acknowledgedByteCount, byteCount > former {
            unansweredSince = now
        }
        acknowledgedByteCount = byteCount
    }

    /// Whether something that was sent is unanswered, so that it matters what the system has of it.
    public var isUnanswered: Bool { unansweredSince != nil }

    /// When something is due next.
    public var deadline: NIODeadline {
        let idle = heardAt + (hasAsked ? Self.giveUpAfter : Self.askAfter)
        guard let since = unansweredSince else { return idle }
        return min(idle, since + (hasAsked ? Self.giveUpUnansweredAfter : Self.askUnansweredAfter))
    }

    /// The clock went on.
    public mutating func timeReached(_ now: NIODeadline) -> Action {
        guard now >= deadline else { return .wait }
        guard !hasAsked else { return .giveUp }
        hasAsked = true
        guard now < deadline else { return .giveUp }
        isAsking = unansweredSince == nil
        return .ask
    }
}
