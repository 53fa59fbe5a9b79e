public import Relay
public import SecureSession
public import Sodium
public import Tunnel

/// What the channel does for a portal's connection.
public enum PortalOutput: Sendable {
    /// Give the message to another connection, or to this one, after the machine's call has returned.
    case post(RelayMessage, to: any RelayMailbox)
    /// Something worth a line in the log.
    case happened(PortalHappening)
}

/// What happens at a portal's connection, for logs and tests.
public enum PortalHappening: Equatable, Sendable {
    /// A peer has proved who it is.
    case connected(PublicKey)
    /// The peer can be reached here.
    case announced(PublicKey, PortalDirectory.Manner)
    /// The peer has taken its announcement back.
    case left(PublicKey)
    /// A client is being connected to an endpoint.
    case tunnelOpened(TunnelID, from: PublicKey, to: PublicKey)
    /// A tunnel was cut.
    case tunnelCut(TunnelID, TunnelCut)
    /// A client was not connected.
    case refused(PublicKey, ConnectRefusal)
    /// The connection is over, as far as the portal is concerned.
    case disconnected(PublicKey?, PortalDeparture)
}

/// Why a connection of a portal is over.
public enum PortalDeparture: Equatable, Sendable {
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
    /// Nothing came for too long.
    case silent
    /// A protocol was violated, or the connection broke.
    case failed(SecureSessionError)
}
