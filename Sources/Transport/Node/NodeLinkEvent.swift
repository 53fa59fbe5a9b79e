public import Multiserver
public import MuxRPC
public import Sodium
public import Tunnel

/// What a node's connection tells its owner, for decisions and for the log.
public enum NodeLinkEvent: Sendable {
    /// The portal has taken the announcement.
    case announced
    /// The portal refused the announcement, or ended it later.
    case announcementEnded(RemoteError)
    /// A peer asks what only the owner can answer, with ``NodeLink/answer(_:with:)``.
    case asked(Question)
    /// A tunnel was accepted or refused.
    case happened(NodeHappening)
    /// A friend has a service open.
    case serviceOpened(name: ServiceName, friend: PublicKey)
    /// A friend wanted a service that nothing listens for.
    case serviceNotListening(name: ServiceName, friend: PublicKey, reason: String)
    /// A friend's use of a service is over; bytes as we sent and received them.
    case serviceClosed(
        name: ServiceName, friend: PublicKey, sent: Int, received: Int, failure: StreamFailure?)
}

/// Where a service is to be had on this machine.
public enum ServiceTarget: Hashable, Sendable {
    /// A TCP port.
    case tcp(host: String, port: UInt16)
    /// A Unix domain socket.
    case unix(path: String)
}

/// Why there is no connection to a portal or peer.
public enum DialFailure: Error, Equatable, Sendable {
    /// Nothing answers at the address; why, in the system's words.
    case unreachable(String)
    /// Somebody else has named it, and it is one that only the owner may name; nothing was dialled.
    case localAddress(LocalAddressError)
    /// It answers, and no session came of it.
    case session(SessionFailure)
}
