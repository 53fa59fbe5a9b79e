public import MuxRPC
public import Relay
public import Sodium
public import Tunnel

/// What one connection of a portal is told by another, or by the portal's owner.
public enum RelayMessage: Sendable {
    /// Open a stream to your peer with this argument of `tunnel.connect`; packets may follow at once.
    case open(PortalTunnel, argument: JSONValue, request: String)
    /// Send these packets, which are counted in the flow towards you already.
    case packets(TunnelID, RelayedBatch)
    /// The other side has ended: end behind what is queued, with this error if there is one; what your peer
    /// still sends is dropped.
    case ended(TunnelID, message: String?)
    /// The queue that you fill has room again.
    case resume(TunnelID)
    /// The tunnel is cut: end at once, and drop what is queued.
    case cut(TunnelID, TunnelCut)
    /// Another connection of the same identity has announced itself: say so, and end unless your peer answers.
    case overtaken
    /// Other connections of the same identity have announced themselves: say so and end.
    case replaced
    /// Attendance has changed since you asked.
    case attendanceChanged
    /// The portal has another policy.
    case policyChanged
    /// The hidden announcement that your peer made by this call was carried out, or not.
    case announced(RequestNumber, AnnouncementOutcome)
    /// The tokens of your peer had to give way to somebody who had fewer.
    case tokensDropped
    /// The portal's owner has decided about the invite that your peer uses.
    case redeemed(RequestNumber, RedeemOutcome)
}

/// What became of a hidden announcement.
public enum AnnouncementOutcome: Equatable, Sendable {
    /// It has replaced the one before.
    case done
    /// It is the one before.
    case unchanged
    /// It was not followed.
    case refused(AnnounceRefusal)
}

/// What a portal's owner is asked when the holder of an invite uses it.
public struct RedeemQuestion: Equatable, Sendable {
    /// The call that waits for the answer.
    public let call: RequestNumber
    /// The key that the outer handshake has proved: the invite's.
    public let invite: PublicKey
    /// The key that is to be let in.
    public let feed: PublicKey
}

/// What a portal's owner says of the use of an invite.
public enum RedeemOutcome: Equatable, Sendable {
    /// The key is a member, now or already.
    case admitted
    /// It is not let in, for a reason in the protocol's words: `invite used up`.
    case refused(String)
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
    /// One end read so slowly that other tunnels of the other end had to wait.
    case slow
    /// The portal's memory ran out, and this tunnel held most of it in the name of who holds most.
    case memory
    /// The endpoint's places were all taken, most of them by the caller.
    case places

    /// What both ends are told.
    public var message: String {
        switch self {
        case .stuck: "tunnel cut: one side does not read"
        case .slow: "tunnel cut: one side reads too slowly, and others wait"
        case .places: "tunnel cut: busy"
        case .memory: "tunnel cut: the portal's memory is full"
        }
    }
}
