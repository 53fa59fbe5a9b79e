public import NIOCore

/// Whether a peer is still there: asked after some silence, given up after more.
public struct Liveness: Sendable {
    /// How long a peer may be silent before it is asked.
    public static let askAfter = TimeAmount.seconds(25)
    /// How long a peer may be silent before it is given up: two tries of TCP's own later.
    public static let giveUpAfter = TimeAmount.seconds(45)

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
    private var hasAsked = false

    /// The peer was heard at `now`.
    public init(heardAt now: NIODeadline) { heardAt = now }

    /// Bytes arrived.
    public mutating func heard(at now: NIODeadline) {
        heardAt = now
        hasAsked = false
    }

    /// When something is due next.
    public var deadline: NIODeadline { heardAt + (hasAsked ? Self.giveUpAfter : Self.askAfter) }

    /// The clock went on.
    public mutating func timeReached(_ now: NIODeadline) -> Action {
        guard now >= deadline else { return .wait }
        guard !hasAsked else { return .giveUp }
        hasAsked = true
        return now >= deadline ? .giveUp : .ask
    }
}
