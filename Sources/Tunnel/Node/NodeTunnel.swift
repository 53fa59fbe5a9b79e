internal import Blinding
internal import BoxStream
internal import NIOCore
internal import SecureSession

/// One tunnel of a node's connection: a stream of the outer session with a whole session inside.
final class NodeTunnel {
    /// How far it has come.
    enum Phase {
        /// The inner handshake is given up at that time.
        case handshake(until: NIODeadline)
        /// There will be no session, of which the caller learns at that time and not before; `nil` for our decision.
        case refusing(at: NIODeadline, because: SessionFailure?)
        /// The session stands, or has.
        case open
    }

    let session: PeerSession
    /// The target as the call named it, for answers in the same words.
    let target: String
    /// The entry by which the call came to a hidden endpoint.
    let entry: TokenEntry?
    var phase: Phase
    /// What the outer session has opened for it in this round.
    var arrived = ByteBuffer()

    init(session: PeerSession, target: String, entry: TokenEntry?, handshakeDeadline: NIODeadline) {
        self.session = session
        self.target = target
        self.entry = entry
        phase = .handshake(until: handshakeDeadline)
    }

    /// Whether what comes next is the proof of somebody who has named a token.
    var awaitsProof: Bool {
        guard entry != nil, case .handshake = phase else { return false }
        return session.secure.handshakeMessageCount == 1
    }

    /// When the tunnel is given up, and why; `nil` where a session stands.
    var release: (at: NIODeadline, because: SessionFailure?)? {
        switch phase {
        case .handshake(let deadline): (deadline, .timedOut)
        case .refusing(let deadline, let failure): (deadline, failure)
        case .open: nil
        }
    }
}

extension SessionFailure {
    /// What a failed session means to its owner.
    init(_ error: SecureSessionError) {
        switch error {
        case .handshake: self = .wrongPeer
        case .refused(let answered): self = .refused(answered: answered)
        case .overAllowance: self = .overdrawn
        case .boxStream(.truncated): self = .lost
        case .boxStream: self = .forged
        }
    }
}
