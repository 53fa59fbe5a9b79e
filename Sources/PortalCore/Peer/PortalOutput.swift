package import SecureSession
package import TypedSodium

/// What the channel does for a portal's connection.
package enum PortalOutput: Sendable {
    /// Give the message to another connection, or to this one, after the machine's call has returned.
    case post(RelayMessage, to: any RelayMailbox)
    /// Ask the portal's owner, and give the answer to this connection as ``RelayMessage/redeemed(_:_:)``.
    case redeem(RedeemQuestion)
    /// Call ``Portal/work()`` off the event loops until it says that nothing is left.
    case work
    /// Something worth a line in the log.
    case event(PortalEvent)
}

/// What happens at a portal's connection, for logs and tests.
///
/// Tokens are in none of these, and neither are the keys of those who announce or are called by tokens: a log
/// must not tell later who was in touch with whom. Who may not announce was in touch with nobody, and its key is what the
/// operator needs.
package enum PortalEvent: Equatable, Sendable {
    /// A peer has proved who it is.
    case connected(PublicKey)
    /// The peer can be reached here.
    case announced(PublicKey, PortalDirectory.Manner)
    /// The peer can be reached here by tokens.
    case announcedHidden(ConnectionID)
    /// The peer has taken its announcement back, or may not announce any more.
    case left(PublicKey)
    /// The same of a hidden one.
    case leftHidden(ConnectionID)
    /// A client is being connected to an endpoint.
    case tunnelOpened(TunnelID, from: PublicKey, to: PublicKey)
    /// A client is being connected to a hidden endpoint.
    case tunnelOpenedByToken(TunnelID)
    /// A tunnel was cut.
    case tunnelCut(TunnelID, TunnelCut)
    /// A client was not connected; it is named unless it gave a token.
    case refused(PublicKey?, reason: String)
    /// An announcement was refused; the peer is named where it is no member and would have to be one.
    case announcementRefused(PublicKey?, reason: String)
    /// A peer may not connect.
    case notAdmitted(PublicKey)
    /// The connection is over, as far as the portal is concerned.
    case disconnected(PublicKey?, CloseReason)
}

/// Why a connection of a portal is over.
package enum CloseReason: Equatable, Sendable {
    /// The peer said goodbye.
    case goodbye
    /// The portal closed it.
    case closed
    /// The same identity announced itself from another connection.
    case replaced
    /// The peer may not connect.
    case refused
    /// The handshake took too long.
    case handshakeTimedOut
    /// The peer's address has as many connections as it may.
    case tooManyConnections
    /// It did nothing, and had to make room for another.
    case displaced
    /// Nothing came for too long.
    case silent
    /// A protocol was violated, or the connection broke.
    case failed(SecureSessionError)
}
