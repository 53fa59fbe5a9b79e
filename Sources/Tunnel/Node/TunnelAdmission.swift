internal import MuxRPC
internal import NIOCore
internal import SecureSession
internal import Sodium

/// Who is let in, and how others are turned away.
extension TunnelTable {
    /// Lets in a peer that has proved its key, or does not.
    ///
    /// The tunnel is in the table before the policy is looked at, and the policy is looked at again with every call: a
    /// change of it misses no session.
    func decide(
        about peer: PublicKey, in tunnel: NodeTunnel, on stream: StreamID, at now: NIODeadline
    ) throws(SecureSessionError) -> Bool {
        let isOwner = tunnel.entry.map { $0.owner == peer } ?? true
        guard let house, let standing = house.standing(of: peer), isOwner else {
            tunnel.session.secure.refuse()
            outputs.append(.happened(.refused(peer)))
            refuse(tunnel, on: stream, nil, at: now)
            return false
        }
        tunnel.session.payer = configuration.accounts.payer(for: house.policy.party(of: peer)).open()
        tunnel.session.offer(to: standing, in: house)
        try tunnel.session.secure.accept()
        outputs.append(.happened(standing == .invite ? .invited(peer) : .accepted(peer)))
        established(tunnel, on: stream, with: peer)
        return true
    }

    func established(_ tunnel: NodeTunnel, on stream: StreamID, with peer: PublicKey) {
        tunnel.phase = .open
        unfinished.remove(stream)
        outputs.append(.established(tunnel.session.id, peer))
    }

    /// Refuses a tunnel for which there will be no session, or no more; `nil` where it was our decision.
    ///
    /// One that came by a token is refused at a time that says nothing of the cause: so long after the proof, whatever
    /// was wrong with it, or when the handshake would have been given up.
    func refuse(
        _ tunnel: NodeTunnel, on stream: StreamID, _ failure: SessionFailure?, at now: NIODeadline
    ) {
        guard tunnel.entry != nil, case .handshake(let deadline) = tunnel.phase else {
            return fail(tunnel, on: stream, failure)
        }
        let hasProof = tunnel.session.secure.handshakeMessageCount >= 2
        holding.remove(stream)
        // Not when the refusal is due: what is done then delays it, and tells a wrong key from an unwelcome one.
        noteFailure(failure)
        tunnel.phase = .refusing(
            at: hasProof ? now + NodeConnection.refusalTime : deadline, because: failure)
    }

    /// Ends a tunnel without a session, or whose session has failed; the far side learns that it is over and no more.
    func fail(_ tunnel: NodeTunnel, on stream: StreamID, _ failure: SessionFailure?) {
        if case .handshake = tunnel.phase, !stream.isOurs { noteFailure(failure) }
        outer.muxrpc.fail(stream, message: NodeErrorText.couldNotConnect(to: tunnel.target))
        drop(stream, failure)
    }

    private func noteFailure(_ failure: SessionFailure?) {
        if let failure { outputs.append(.happened(.handshakeFailed(failure))) }
    }
}
