package import Blinding
internal import Invitation
internal import Keyring
package import Multiserver
package import Tunnel
package import TypedSodium

/// How a peer is reached: straight, or through one of the portals where it may be announced.
package enum Route: Sendable {
    /// It listens at an address of its own.
    case direct(PeerAddress)
    /// It is announced at portals; these are the ways, the best first, and there is at least one.
    case tunnel(target: PublicKey, ways: [Way])

    /// One portal, and how to ask it for the target.
    package struct Way: Sendable {
        /// Whom to dial.
        package let portal: PeerAddress
        /// Who has named the portal's address.
        package let author: AddressAuthor
        /// Which of the target's instances; 0 for the usual one.
        package let instance: Int
        /// What makes the tokens for a target that is hidden there; `nil` where it is asked for by its id.
        package let pair: FriendPair?
        /// The key that the target shows the portal where it is hidden, to be named with a token; `nil` where it is not
        /// known.
        package let shownKey: PublicKey?

        /// The way through a portal to a target that is asked for by its id.
        package init(portal: PeerAddress, namedBy author: AddressAuthor = .owner, instance: Int = 0) {
            self.portal = portal
            self.author = author
            self.instance = instance
            pair = nil
            shownKey = nil
        }

        /// The way through a portal that the owner names, to a target that is asked for by a token, or by its id where
        /// there is no pair.
        init(portal: PeerAddress, pair: FriendPair?, shownKey: PublicKey?, instance: Int) {
            self.portal = portal
            author = .owner
            self.instance = instance
            self.pair = pair
            self.shownKey = pair == nil ? nil : shownKey
        }

        /// The way through a portal that an invite, a grant or the keyring names.
        ///
        /// - Throws: `AddressError`, for a host that cannot be dialled.
        init(
            _ portal: PortalAddress, namedBy author: AddressAuthor, pair: FriendPair?, instance: Int = 0
        ) throws(AddressError) {
            self.portal = try portal.peer()
            self.author = author
            self.instance = instance
            self.pair = portal.isOpen ? nil : pair
            shownKey = portal.shownKey
        }
    }

    /// Whom it leads to.
    package var target: PublicKey {
        switch self {
        case .direct(let peer): peer.key
        case .tunnel(let target, _): target
        }
    }

    /// The same ways, the one where the target was last reached first.
    func trying(first place: PortalPlace?) -> Route {
        guard let place, case .tunnel(let target, let ways) = self,
            let index = ways.firstIndex(where: { $0.portal.place == place })
        else { return self }
        var ordered = ways
        ordered.insert(ordered.remove(at: index), at: 0)
        return .tunnel(target: target, ways: ordered)
    }
}

/// What this node and a target have in common, in guarded memory: the source of the tokens of every day.
package final class FriendPair: Sendable {
    private let key: PairKey

    /// The pair of an identity, one's own or an invite's, with a target.
    ///
    /// - Throws: `BlindingError`.
    package init(of identity: Identity, with target: PublicKey) throws(BlindingError) {
        key = try PairKey(friend: identity, endpoint: EndpointKey(target))
    }

    /// The tokens to try at a portal at a second, in this order.
    func tokens(at portal: PublicKey, unixSeconds: UInt64) -> [PairToken] {
        Epoch.candidates(atUnixSeconds: unixSeconds).map { key.token(portal: PortalKey(portal), epoch: $0) }
    }
}
