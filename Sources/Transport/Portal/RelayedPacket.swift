public import NIOCore
public import Relay
public import Sodium

/// A packet of a tunnel as the portal sees it: its sender's box is opened, the one between the two ends is not.
public struct RelayedPacket: Equatable, Sendable {
    /// The tunnel.
    public let tunnel: TunnelID
    /// Who has proved to be where it came from.
    public let sender: PublicKey
    /// Its body, as it is passed on.
    public let body: ByteBuffer
}
