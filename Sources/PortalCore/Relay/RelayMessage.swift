package import Connection
package import MuxRPC
package import NIOCore

/// What one connection of a portal is told by another, or by the portal's owner.
package enum RelayMessage: Sendable {
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
    /// Another connection of the same identity has announced itself: say so, and end where your peer is silent.
    case overtaken
    /// Other connections of the same identity have announced themselves: say so and end.
    case replaced
    /// Another machine has a better claim for what your peer announces by tokens: end where your peer is silent.
    case silenced
    /// This machine ends: have your peer go to another one, or say goodbye where it does not know how.
    case move(orGoodbye: Bool)
    /// Attendance has changed since you asked.
    case attendanceChanged
    /// The portal has another policy.
    case policyChanged
    /// The hidden announcement that your peer made by this call was carried out, or not.
    case announced(RequestNumber, AnnouncementOutcome)
    /// The tokens of your peer had to give way to somebody who had fewer.
    case tokensDropped
    /// Other machines have said something about what your peer has called, by the number of that look-up.
    case lookedUp(ticket: UInt64, NeighbourStep)
    /// The portal's owner has decided about the invite that your peer uses.
    case redeemed(RequestNumber, RedeemOutcome)
}

/// What became of a hidden announcement.
package enum AnnouncementOutcome: Equatable, Sendable {
    /// It has replaced the one before.
    case done
    /// It is the one before.
    case unchanged
    /// It was not followed.
    case refused(AnnounceRefusal)
}

/// Takes messages to a connection, in order, from any thread.
///
/// The channel implements it with a hop to its event loop, where it calls ``PortalConnection/deliver(_:at:)``.
/// Where that is the sender's loop too it may deliver without a hop, once the sender's call has returned. What
/// comes for a connection that is over may be dropped.
package protocol RelayMailbox: Sendable {
    /// Delivers a message, sometime.
    func post(_ message: RelayMessage)
}

/// A connection that takes messages, on its event loop.
package protocol RelayReceiver: ConnectionMachine, SendableMetatype {
    /// A message from another connection of the portal, or from its owner.
    func deliver(_ message: consuming RelayMessage, at now: NIODeadline)
}

/// Why a portal cut a tunnel.
package enum TunnelCut: String, CaseIterable, Sendable {
    /// One end does not read while the other keeps sending.
    case stuck
    /// One end read so slowly that other tunnels of the other end had to wait.
    case slow
    /// The portal's memory ran out, and this tunnel held most of it in the name of who holds most.
    case memory
    /// The endpoint's places were all taken, most of them by the caller.
    case places
    /// The volume of whoever pays for the tunnel is used up for this month.
    case volume
    /// Another machine of the portal has sent more on a link than was granted.
    case overrun

    /// What both ends are told.
    package var message: String {
        switch self {
        case .stuck: ErrorText.cutStuck
        case .slow: ErrorText.cutSlow
        case .places: ErrorText.cutForPlace
        case .memory: ErrorText.cutForMemory
        case .volume: ErrorText.cutForVolume
        case .overrun: ErrorText.cutOverrun
        }
    }
}
