import Blinding
import Sodium
import TestSupport

/// Those whom the vectors are about.
struct People {
    let portal, endpoint, friend, invite: Identity

    init(_ vectors: Vectors) throws {
        portal = try vectors.seeds.portal.identity()
        endpoint = try vectors.seeds.target.identity()
        friend = try vectors.seeds.friend.identity()
        invite = try vectors.seeds.invite.identity()
    }

    var portalKey: PortalKey { PortalKey(portal.publicKey) }
    var endpointKey: EndpointKey { EndpointKey(endpoint.publicKey) }
    var friendKey: FriendKey { FriendKey(friend.publicKey) }
    var inviteKey: InviteKey { InviteKey(invite.publicKey) }
}

extension Hex {
    func fixed() throws -> FixedBytes<32> { try FixedBytes(bytes) }
    func secret() throws -> SecretKey { try SecretKey(copying: bytes.span) }
    func identity() throws -> Identity { try Identity(seed: secret()) }
}

extension SeededRandom {
    mutating func key() throws -> FixedBytes<32> { try FixedBytes(bytes(32)) }
    mutating func secret() throws -> SecretKey { try SecretKey(copying: bytes(32).span) }
    mutating func identity() throws -> Identity { try Identity(seed: secret()) }
    mutating func portal() throws -> PortalKey { PortalKey(try identity().publicKey) }
}
