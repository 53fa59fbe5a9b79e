internal import NIOCore

/// When a silent peer is asked whether it is there, and when it is given up.
struct Liveness {
    /// What is due.
    enum Turn: Equatable {
        /// Ask; any answer will do.
        case ask
        /// Give the peer up.
        case giveUp
    }

    let pingAfter: TimeAmount
    let silenceLimit: TimeAmount
    private var lastHeard: NIODeadline
    private var hasAsked = false

    init(pingAfter: TimeAmount, silenceLimit: TimeAmount, at now: NIODeadline) {
        self.pingAfter = pingAfter
        self.silenceLimit = silenceLimit
        lastHeard = now
    }

    /// Bytes came, or their absence is our own doing.
    mutating func heard(at now: NIODeadline) {
        lastHeard = now
        hasAsked = false
    }

    /// When something is due next.
    var deadline: NIODeadline { lastHeard + (hasAsked ? silenceLimit : pingAfter) }

    /// What is due, told once.
    mutating func turn(at now: NIODeadline) -> Turn? {
        if now >= lastHeard + silenceLimit { return .giveUp }
        guard !hasAsked, now >= deadline else { return nil }
        hasAsked = true
        return .ask
    }
}
