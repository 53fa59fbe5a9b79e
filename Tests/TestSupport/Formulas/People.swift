package import Blinding
package import TypedSodium

/// Those whom the vectors are about.
package struct People {
    package let portal, endpoint, friend, invite: Identity

    package init(_ vectors: Vectors) throws {
        portal = try vectors.seeds.portal.identity()
        endpoint = try vectors.seeds.target.identity()
        friend = try vectors.seeds.friend.identity()
        invite = try vectors.seeds.invite.identity()
    }

    package var portalKey: PortalKey { PortalKey(portal.publicKey) }
    package var endpointKey: EndpointKey { EndpointKey(endpoint.publicKey) }
    package var friendKey: FriendKey { FriendKey(friend.publicKey) }
    package var inviteKey: InviteKey { InviteKey(invite.publicKey) }
}

extension Hex {
    package func fixed() throws -> FixedBytes<32> { try FixedBytes(bytes) }
    package func secret() throws -> SecretKey { try SecretKey(copying: bytes.span) }
    package func identity() throws -> Identity { try Identity(seed: secret()) }
}

extension SeededRandom {
    package mutating func key() throws -> FixedBytes<32> { try FixedBytes(bytes(32)) }
    package mutating func secret() throws -> SecretKey { try SecretKey(copying: bytes(32).span) }
    package mutating func identity() throws -> Identity { try Identity(seed: secret()) }
    package mutating func portal() throws -> PortalKey { PortalKey(try identity().publicKey) }
}
