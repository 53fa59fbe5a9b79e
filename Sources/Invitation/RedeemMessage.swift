package import Blinding
package import TypedSodium

/// What a friend-to-be signs to redeem an invite: `"companionway/1/redeem" ‖ 0x00 ‖ T ‖ I ‖ F`.
///
/// It binds the friend's key to this invite of this endpoint, so that the signature is good for nothing else.
package struct RedeemMessage: Hashable, Sendable {
    /// Who made the invite.
    package let endpoint: EndpointKey
    /// The key that the inner handshake showed.
    package let invite: InviteKey
    /// Who becomes a friend.
    package let friend: FriendKey

    private static let label = Array("companionway/1/redeem".utf8) + [0]

    /// Puts the three together.
    ///
    /// - Throws: ``BlindingError/sameKey`` unless all three differ: an endpoint is not its own friend, and a friend
    ///   under the invite's key would share it with every reader of the invite.
    package init(endpoint: EndpointKey, invite: InviteKey, friend: FriendKey) throws(BlindingError) {
        guard Set([endpoint.publicKey, invite.publicKey, friend.publicKey]).count == 3 else {
            throw .sameKey
        }
        self.endpoint = endpoint
        self.invite = invite
        self.friend = friend
    }

    /// The bytes that are signed.
    package var bytes: [UInt8] {
        Self.label + endpoint.bytes.array + invite.bytes.array + friend.bytes.array
    }

    /// The signature of the friend-to-be.
    ///
    /// - Throws: ``BlindingError/sameKey`` as in ``init(endpoint:invite:friend:)``.
    package static func signature(
        of friend: Identity, endpoint: EndpointKey, invite: InviteKey
    ) throws(BlindingError) -> Signature {
        let message = try RedeemMessage(
            endpoint: endpoint, invite: invite, friend: FriendKey(friend.publicKey))
        return friend.sign(message.bytes.span)
    }

    /// Whether the friend-to-be signed it.
    package func isSigned(with signature: Signature) -> Bool {
        friend.publicKey.verifies(signature, of: bytes.span)
    }
}
