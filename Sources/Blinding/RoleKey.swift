public import Sodium

/// A public key together with the part that its owner plays, so that no formula gets two of them swapped.
///
/// Every formula of blinding takes several keys of the same length and gives a useless value, not an error, when
/// they stand in the wrong order; so the compiler keeps them apart.
public struct RoleKey<Role>: Hashable, Sendable {
    /// The key itself.
    public let publicKey: PublicKey

    /// Says what part the key's owner plays.
    public init(_ publicKey: PublicKey) { self.publicKey = publicKey }

    var bytes: FixedBytes<32> { publicKey.bytes }
}

/// Who relays: P in the formulas.
public enum PortalRole {}
/// Who announces itself at a portal and is reached through it: A, or the target, with the key T.
public enum EndpointRole {}
/// Who may reach an endpoint: F.
public enum FriendRole {}
/// What an invite shows instead of a friend until it is redeemed: I.
public enum InviteRole {}

/// The key of a portal.
public typealias PortalKey = RoleKey<PortalRole>
/// The real key of an endpoint, never a pseudonym.
public typealias EndpointKey = RoleKey<EndpointRole>
/// The key of a friend.
public typealias FriendKey = RoleKey<FriendRole>
/// The public half of an invite's key pair.
public typealias InviteKey = RoleKey<InviteRole>

extension RoleKey where Role == InviteRole {
    /// The same key in a friend's place: to pairs and tokens an invite is a friend like any other.
    public var asFriend: FriendKey { FriendKey(publicKey) }
}
