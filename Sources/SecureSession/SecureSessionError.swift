public import BoxStream
public import SecretHandshake

/// Why a session ended otherwise than by goodbye; each is final.
public enum SecureSessionError: Error, Equatable, Sendable {
    /// The handshake failed on our side.
    case handshake(HandshakeError)
    /// The other side ended the connection during the handshake: it refused us, or it is no such peer.
    ///
    /// `answered` says whether it had answered our hello: it speaks our network then, and refused the identity.
    case refused(answered: Bool)
    /// A packet that has not come whole takes more memory than ``SecureSession/inboundAllowance``.
    case overAllowance
    /// A frame could not be opened, or the stream ended before its goodbye.
    case boxStream(BoxStreamError)
}
