public import Blinding
public import Multiserver
public import Sodium

/// How a peer is reached: straight, or through one of the portals where it may be announced.
public enum Route: Sendable {
    /// It listens at an address of its own.
    case direct(PeerAddress)
    /// It is announced at portals; these are the ways, the best first, and there is at least one.
    case tunnel(target: PublicKey, ways: [Way])

    /// One portal, and how to ask it for the target.
    public struct Way: Sendable {
        /// Whom to dial.
        public let portal: PeerAddress
        /// Which of several nodes with the target's key; 0 for the usual one.
        public let instance: Int
        /// What makes the tokens for a target that is hidden there; `nil` where it is asked for by its id.
        public let pair: FriendPair?

        /// Puts the parts together.
        public init(portal: PeerAddress, instance: Int = 0, pair: FriendPair? = nil) {
            self.portal = portal
            self.instance = instance
            self.pair = pair
        }
    }

    /// Whom it leads to.
    public var target: PublicKey {
        switch self {
        case .direct(let peer): peer.key
        case .tunnel(let target, _): target
        }
    }
}

/// What this node and a target have in common, in guarded memory: the source of the tokens of every day.
public final class FriendPair: Sendable {
    private let key: PairKey

    /// The pair of an identity, one's own or an invite's, with a target.
    ///
    /// - Throws: `BlindingError`.
    public init(of identity: Identity, with target: PublicKey) throws(BlindingError) {
        key = try PairKey(friend: identity, endpoint: EndpointKey(target))
    }

    /// The tokens to try at a portal at a second, in this order.
    func tokens(at portal: PublicKey, unixSeconds: UInt64) -> [PairToken] {
        Epoch.candidates(atUnixSeconds: unixSeconds).map { key.token(portal: PortalKey(portal), epoch: $0) }
    }
}
