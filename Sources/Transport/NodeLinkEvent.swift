package import Multiserver
package import MuxRPC
internal import NIOPosix
package import Tunnel
package import TypedSodium

/// What a node's connection tells its owner, for decisions and for the log.
package enum NodeLinkEvent: Sendable {
    /// The portal has taken the announcement.
    case announced
    /// The portal refused the announcement, or ended it later.
    case announcementEnded(RemoteError)
    /// Nothing was heard of the portal for so long that another way to it should be looked for beside this one.
    case fellSilent
    /// The portal asks this node to go to another of its machines.
    case moveAsked
    /// A peer asks what only the owner can answer, with ``NodeLink/answer(_:with:)``.
    case asked(Question)
    /// A tunnel was accepted or refused.
    case event(NodeEvent)
    /// A friend has a service open.
    case serviceOpened(name: ServiceName, friend: PublicKey)
    /// A friend wanted a service that nothing listens for.
    case serviceNotListening(name: ServiceName, friend: PublicKey, reason: any Error)
    /// A friend's use of a service is over; bytes as we sent and received them.
    case serviceClosed(
        name: ServiceName, friend: PublicKey, sent: Int, received: Int, failure: StreamFailure?)
}

/// Why there is no connection to a portal or peer.
package enum DialFailure: Error, Sendable {
    /// Nothing answers at the address; the system's reason.
    case unreachable(any Error)
    /// Somebody else has named it, and it is one that only the owner may name; nothing was dialled.
    case localAddress(LocalAddressError)
    /// It answers, and no session came of it.
    case session(SessionFailure)

    /// Why no connection came to stand.
    init(connecting error: any Error) {
        if let error = error as? NIOConnectionError {
            let refusals = error.connectionErrors.compactMap { $0.error as? LocalAddressError }
            if let refusal = refusals.first, refusals.count == error.connectionErrors.count {
                self = .localAddress(refusal)
                return
            }
        }
        self = .unreachable(error)
    }
}
