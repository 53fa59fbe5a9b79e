package import TypedSodium

/// A public key together with the part that its owner plays, so that no formula gets two of them swapped.
///
/// Every formula of blinding takes several keys of the same length and gives a useless value, not an error, when
/// they stand in the wrong order; so the compiler keeps them apart.
package struct RoleKey<Role>: Hashable, Sendable {
    /// The key itself.
    package let publicKey: PublicKey

    /// Says what part the key's owner plays.
    package init(_ publicKey: PublicKey) { self.publicKey = publicKey }

    package var bytes: FixedBytes<32> { publicKey.bytes }
}

/// Who relays: P in the formulas.
package enum PortalRole {}
/// Who announces itself at a portal and is reached through it: A, or the target, with the key T.
package enum EndpointRole {}
/// Who may reach an endpoint: F.
package enum FriendRole {}
/// What an invite shows instead of a friend until it is redeemed: I.
package enum InviteRole {}

/// The key of a portal.
package typealias PortalKey = RoleKey<PortalRole>
/// The real key of an endpoint, never a pseudonym.
package typealias EndpointKey = RoleKey<EndpointRole>
/// The key of a friend.
package typealias FriendKey = RoleKey<FriendRole>
/// The public half of an invite's key pair.
package typealias InviteKey = RoleKey<InviteRole>

extension RoleKey where Role == InviteRole {
    /// The same key in a friend's place: to pairs and tokens an invite is a friend like any other.
    package var asFriend: FriendKey { FriendKey(publicKey) }
}
