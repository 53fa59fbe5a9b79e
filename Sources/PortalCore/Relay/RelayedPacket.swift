package import NIOCore
package import TypedSodium

/// A packet of a tunnel as the portal sees it: its sender's box is opened, the one between the two ends is not.
package struct RelayedPacket: Equatable, Sendable {
    /// The tunnel.
    package let tunnel: TunnelID
    /// Who has proved to be where it came from.
    package let sender: PublicKey
    /// Its body, as it is passed on.
    package let body: ByteBuffer
}
