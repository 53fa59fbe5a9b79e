internal import Connection
internal import MuxRPC
internal import NIOCore
internal import SecureSession

/// How a connection gives way to another machine of its portal: to one that has a better claim for what its peer
/// announces by tokens, and to any other where this machine ends.
struct PortalYielding {
    /// How long a peer that is announced elsewhere may take to show that it is still here too.
    private static let patience = TimeAmount.seconds(1)

    private let peer: PortalPeer
    /// When the peer has to have answered.
    private(set) var deadline: NIODeadline?
    /// The call by which it was asked to move.
    private var call: RequestNumber?
    /// Whether it hears goodbye where it does not know how.
    private var isGoodbyeNext = false

    init(of peer: PortalPeer) { self.peer = peer }

    /// The peer's tokens are announced elsewhere; it is asked whether it is still here.
    mutating func silence() { deadline = peer.now + Self.patience }

    /// Whether the time is over in which the peer had to answer, and it has not.
    mutating func isOver(at now: NIODeadline, _ isUnanswered: Bool) -> Bool {
        guard let deadline, deadline <= now else { return false }
        self.deadline = nil
        return isUnanswered
    }

    /// Asks the peer to go to another machine.
    ///
    /// One that does not know how hears goodbye instead, or stays to the end.
    mutating func move(orGoodbye: Bool) {
        isGoodbyeNext = isGoodbyeNext || orGoodbye
        guard call == nil else { return }
        call = try? peer.session.muxrpc.call(Method.move.name, [])
    }

    /// Whether a peer that has refused this call is to hear goodbye.
    func isGoodbyeNext(onRefusalOf refused: RequestNumber) -> Bool { refused == call && isGoodbyeNext }
}
