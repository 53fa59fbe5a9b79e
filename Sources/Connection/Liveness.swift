package import NIOCore

/// Whether a peer is still there: asked after some silence, given up after more; sooner where it owes an answer.
///
/// What was sent and has not been answered by anything at all is what shows a path that is gone, such as that of a
/// machine whose address has changed. On a line that is only slow the peer's system acknowledges more and more of it, so
/// there the time begins again whenever it has.
package struct Liveness: Sendable {
    /// How long a peer may be silent before it is asked.
    package static let askAfter = TimeAmount.seconds(25)
    /// How long a peer may be silent before it is given up: two tries of TCP's own later.
    package static let giveUpAfter = TimeAmount.seconds(45)
    /// How long what was sent may be unanswered before the peer is asked.
    package static let askUnansweredAfter = TimeAmount.seconds(5)
    /// How long it may be unanswered before the peer is given up.
    package static let giveUpUnansweredAfter = TimeAmount.seconds(10)

    /// How long silence is put up with.
    ///
    /// Source: docs/protocol.md, "Silence".
    package struct Patience: Equatable, Sendable {
        /// After how much silence the peer is asked.
        package let askAfter: TimeAmount
        /// After how much silence another way is looked for beside this one; `nil` where there is none.
        package let suspectAfter: TimeAmount?
        /// After how much silence a peer is given up where another connection stands in its place.
        package let giveUpReplacedAfter: TimeAmount

        /// Everywhere but at a portal of many machines.
        package static let usual = Patience(
            askAfter: Liveness.askAfter, suspectAfter: nil, giveUpReplacedAfter: Liveness.giveUpAfter)

        /// A portal of many machines, as it looks at its peers.
        package static let machine = Patience(
            askAfter: .seconds(3), suspectAfter: nil, giveUpReplacedAfter: Liveness.giveUpAfter)

        /// A node at a portal of many machines; `fraction`, drawn evenly from 0..<1, keeps all who were at a machine
        /// from dialling at one moment when it dies.
        package static func amongMachines(fraction: Double) -> Patience {
            Patience(
                askAfter: .seconds(3), suspectAfter: .milliseconds(5_000 + Int64(1_000 * fraction)),
                giveUpReplacedAfter: .seconds(8))
        }
    }

    /// What to do when ``deadline`` is reached.
    package enum Action: Equatable, Sendable {
        /// Nothing: something was heard in the meantime.
        case wait
        /// Call `tunnel.ping`; any answer, an error too, is a sign of life.
        case ask
        /// Look for another way, and keep this one meanwhile.
        case suspect
        /// End the connection.
        case giveUp
    }

    private var patience: Patience
    private var heardAt: NIODeadline
    /// When the peer's system last took more of what was on the way.
    private var progressAt: NIODeadline?
    /// Since when there is something unanswered that was sent; `nil` where there is not.
    private var unansweredSince: NIODeadline?
    /// How much of what was sent the peer's system had when it was last looked at, in bytes; `nil` before that.
    private var acknowledgedByteCount: UInt64?
    private var hasAsked = false
    /// Whether the peer has been silent for so long that another way is looked for.
    package private(set) var isSuspect = false
    /// Whether another connection stands in the place of this one.
    private var isReplaced = false
    /// Whether what is sent next is the question of an idle connection, which has the time of one.
    private var isAsking = false

    /// The peer was heard at `now`.
    package init(heardAt now: NIODeadline, _ patience: Patience = .usual) {
        heardAt = now
        self.patience = patience
    }

    /// Puts up with more or less silence from now on.
    package mutating func expect(_ patience: Patience) { self.patience = patience }

    /// Another connection stands in the place of this one, which need not be waited for as long.
    package mutating func replaced() { isReplaced = true }

    /// Bytes arrived.
    package mutating func heard(at now: NIODeadline) {
        heardAt = now
        (unansweredSince, acknowledgedByteCount) = (nil, nil)
        (hasAsked, isAsking, isSuspect) = (false, false, false)
    }

    /// Bytes were sent.
    package mutating func sent(at now: NIODeadline) {
        guard !isAsking else {
            isAsking = false
            return
        }
        if unansweredSince == nil { unansweredSince = now }
    }

    /// The peer's system has so many bytes of what was sent, over all time, and more is on the way.
    ///
    /// What it has to the end says that a system is there, not that anybody reads.
    package mutating func acknowledged(_ byteCount: UInt64, at now: NIODeadline) {
        if unansweredSince != nil, let former = acknowledgedByteCount, byteCount > former {
            (unansweredSince, progressAt) = (now, now)
        }
        acknowledgedByteCount = byteCount
    }

    /// Whether something that was sent is unanswered, so that it matters what the system has of it.
    package var isUnanswered: Bool { unansweredSince != nil }

    /// Since when nothing comes, and nothing goes on either.
    private var stillSince: NIODeadline { progressAt.map { max(heardAt, $0) } ?? heardAt }

    /// When the peer is given up unless it is heard.
    private var end: NIODeadline {
        var end = heardAt + Self.giveUpAfter
        if isReplaced { end = min(end, stillSince + patience.giveUpReplacedAfter) }
        return unansweredSince.map { min(end, $0 + Self.giveUpUnansweredAfter) } ?? end
    }

    /// When something is due next.
    package var deadline: NIODeadline {
        guard hasAsked else {
            let idle = heardAt + patience.askAfter
            return min(end, unansweredSince.map { min(idle, $0 + Self.askUnansweredAfter) } ?? idle)
        }
        guard !isSuspect, let suspectAfter = patience.suspectAfter else { return end }
        return min(end, stillSince + suspectAfter)
    }

    /// The clock went on.
    package mutating func timeReached(_ now: NIODeadline) -> Action {
        guard now >= deadline else { return .wait }
        guard now < end else { return .giveUp }
        guard hasAsked else {
            hasAsked = true
            isAsking = unansweredSince == nil
            return .ask
        }
        isSuspect = true
        return .suspect
    }
}
