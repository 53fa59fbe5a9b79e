internal import Connection
package import NIOCore
internal import TypedSodium

/// What a portal's connection does about its place and its turns, while it is not open yet.
extension PortalConnection {
    /// Whether the peer may stay: it has a place already, or it is a member that gets one of the members'.
    func hasPlace(_ peer: PublicKey) -> Bool {
        guard let seat, seat.isOnTrial else { return true }
        return portal.policy.standing(of: peer) == .member && seat.keep(as: peer)
    }

    /// What the handshake needs before it goes on, said once.
    package func takeWish() -> PortalHandshake.Wish? {
        guard case .handshake(var handshake) = lifecycle, let wish = handshake.takeWish() else { return nil }
        lifecycle = .handshake(handshake)
        return wish
    }

    func wishIfNeeded() {
        guard case .handshake(var handshake) = lifecycle else { return }
        handshake.messageArrived(at: now)
        lifecycle = .handshake(handshake)
    }

    /// The connection, which is on trial, was drawn.
    package func drawn(at now: NIODeadline) {
        guard case .handshake(var handshake) = lifecycle else { return }
        begin(at: now)
        handshake.drawn(at: now)
        lifecycle = .handshake(handshake)
        wishIfNeeded()
    }

    /// The turn that was wished for.
    package func takeTurn(at now: NIODeadline) {
        guard case .handshake(var handshake) = lifecycle else { return }
        handshake.beginTurn()
        lifecycle = .handshake(handshake)
        process(at: now)
        guard case .handshake(var handshake) = lifecycle else { return }
        handshake.endTurn()
        lifecycle = .handshake(handshake)
    }

    /// Makes room for another connection: nothing is said, since nobody would miss this one.
    package func giveWay(at now: NIODeadline) {
        begin(at: now)
        breakOff(.displaced)
    }
}
