public import MuxRPC
public import Relay
public import SecureSession

/// What one connection of a portal tells another.
public enum RelayMessage: Sendable {
    /// Open a stream to your peer with this argument of `tunnel.connect`; packets may follow at once.
    case open(PortalTunnel, argument: JSONValue, request: String)
    /// Send these packets, which are counted in the flow towards you already.
    case packets(TunnelID, PacketBatch)
    /// The other side has ended: end behind what is queued, with this error if there is one; what your peer
    /// still sends is dropped.
    case ended(TunnelID, message: String?)
    /// The queue that you fill has room again.
    case resume(TunnelID)
    /// The tunnel is cut: end at once, and drop what is queued.
    case cut(TunnelID, TunnelCut)
    /// Another connection of the same identity has announced itself: say so and end.
    case replaced
    /// Attendance has changed since you asked.
    case attendanceChanged
}

/// Takes messages to a connection, in order, from any thread.
///
/// The channel implements it with a hop to its event loop, where it calls ``PortalConnection/deliver(_:at:)``.
/// Where that is the sender's loop too it may deliver without a hop, once the sender's call has returned. What
/// comes for a connection that is over may be dropped.
public protocol RelayMailbox: Sendable {
    /// Delivers a message, sometime.
    func post(_ message: RelayMessage)
}

/// Why a portal cut a tunnel.
public enum TunnelCut: Equatable, Sendable {
    /// One end does not read while the other keeps sending.
    case stuck
    /// The portal's memory ran out, and this tunnel's data had waited longest.
    case memory

    /// What both ends are told.
    public var message: String {
        switch self {
        case .stuck: "tunnel cut: one side does not read"
        case .memory: "tunnel cut: the portal's memory is full"
        }
    }
}
