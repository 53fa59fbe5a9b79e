internal import BoxStream
internal import NIOCore
internal import SecureSession

/// One tunnel of a node's connection: a stream of the outer session with a whole session inside.
final class NodeTunnel {
    let session: PeerSession
    /// The target as the call named it, for answers in the same words.
    let target: String
    /// When the inner handshake is given up; `nil` once it is over.
    var handshakeDeadline: NIODeadline?
    /// What the outer session has opened for it in this round.
    var arrived = ByteBuffer()

    init(session: PeerSession, target: String, handshakeDeadline: NIODeadline) {
        self.session = session
        self.target = target
        self.handshakeDeadline = handshakeDeadline
    }
}

extension SessionFailure {
    /// What a failed session means to its owner.
    init(_ error: SecureSessionError) {
        switch error {
        case .handshake: self = .wrongPeer
        case .refused(let answered): self = .refused(answered: answered)
        case .boxStream(.truncated): self = .lost
        case .boxStream: self = .forged
        }
    }
}
