internal import MuxRPC
internal import NIOCore
internal import SecureSession
internal import Sodium
internal import Tunnel

/// What a portal's connection does about its place and its turns, while it is not open yet.
extension PortalConnection {
    /// How far a connection has come.
    enum Stage {
        case handshake(PortalHandshake)
        case open
        /// There is no place for the peer's address: it is told so whatever it calls, and closed then.
        case turnedAway(until: NIODeadline)
        /// Our goodbye is said, the peer's is awaited.
        case closing(until: NIODeadline)
        /// Everything is said, and the peer's end is awaited.
        case finished(until: NIODeadline)
        case broken
    }

    /// Whether the peer may stay: it has a place already, or it is a member that gets one of the members'.
    func hasPlace(_ peer: PublicKey) -> Bool {
        guard let seat, seat.isOnTrial else { return true }
        return portal.policy.standing(of: peer) == .member && seat.keep(as: peer)
    }

    /// What the handshake needs before it goes on, said once.
    func takeWish() -> PortalHandshake.Wish? {
        defer { wish = nil }
        return wish
    }

    func wishIfNeeded() {
        guard case .handshake(var handshake) = stage else { return }
        if let wish = handshake.messageArrived(at: now) { self.wish = wish }
        stage = .handshake(handshake)
    }

    /// The connection, which is on trial, was drawn.
    func drawn(at now: NIODeadline) {
        guard case .handshake(var handshake) = stage else { return }
        begin(at: now)
        handshake.drawn(at: now)
        stage = .handshake(handshake)
        wishIfNeeded()
    }

    /// The turn that was wished for.
    func takeTurn(at now: NIODeadline) {
        guard case .handshake(var handshake) = stage else { return }
        handshake.beginTurn()
        stage = .handshake(handshake)
        process(at: now)
        guard case .handshake(var handshake) = stage else { return }
        handshake.endTurn()
        stage = .handshake(handshake)
    }

    /// Makes room for another connection: nothing is said, since nobody would miss this one.
    func giveWay(at now: NIODeadline) {
        begin(at: now)
        breakOff(.displaced)
    }

    func checkLiveness(at now: NIODeadline) {
        // While we do not read the peer its silence means nothing.
        if legs.isPaused || isCalling { liveness.heard(at: now) }
        switch liveness.timeReached(now) {
        // Where too much is open the ping cannot be sent; the silence is measured all the same.
        case .ask: _ = try? session.muxrpc.call(["tunnel", "ping"], [])
        case .giveUp: breakOff(.silent)
        case .wait: break
        }
    }

    func end(_ stream: StreamID, message: String?) {
        if let message {
            session.muxrpc.fail(stream, message: message)
        } else {
            session.muxrpc.end(stream)
        }
    }
}
