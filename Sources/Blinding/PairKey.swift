package import TypedSodium

/// What an endpoint and one friend have in common, in guarded memory: the source of their tokens.
///
/// Only the two can compute it, and the two directions differ: who is the endpoint is part of it. A portal that
/// sees tokens learns nothing about either.
package struct PairKey: ~Copyable, Sendable {
    private let key: SecretKey

    /// The pair as the endpoint computes it.
    ///
    /// - Throws: ``BlindingError/sameKey``, ``BlindingError/unusableKey`` or
    ///   ``BlindingError/outOfGuardedMemory``.
    package init(endpoint: Identity, friend: FriendKey) throws(BlindingError) {
        key = try Self.agreed(
            own: endpoint, other: friend.publicKey, endpoint: EndpointKey(endpoint.publicKey), friend: friend)
    }

    /// The pair as the friend computes it, or whoever holds an invite with the invite's key pair.
    ///
    /// - Throws: ``BlindingError/sameKey``, ``BlindingError/unusableKey`` or
    ///   ``BlindingError/outOfGuardedMemory``.
    package init(friend: Identity, endpoint: EndpointKey) throws(BlindingError) {
        key = try Self.agreed(
            own: friend, other: endpoint.publicKey, endpoint: endpoint, friend: FriendKey(friend.publicKey))
    }

    /// A pair that nobody else has, from 32 random bytes: it keeps the number of an endpoint's entries from telling
    /// how many friends there are.
    ///
    /// - Throws: ``BlindingError/outOfGuardedMemory``.
    package init(ghost: borrowing SecretKey) throws(BlindingError) {
        do throws(SodiumError) {
            key = try ghost.guardedCopy()
        } catch {
            throw .outOfGuardedMemory
        }
    }

    /// What the friend shows, and the endpoint announces, at a portal on a day.
    ///
    /// `H("companionway/1/token", P ‖ LE64(e), key: pair)`.
    package borrowing func token(portal: PortalKey, epoch: Epoch) -> PairToken {
        var hash = GenericHash(label: "companionway/1/token", key: key)
        hash.update(portal.bytes)
        hash.update(epoch.littleEndianBytes)
        return PairToken(hash.finalize())
    }

    /// Whether both are the same pair, in constant time.
    package borrowing func isEqual(to other: borrowing PairKey) -> Bool { key.isEqual(to: other.key) }

    /// `H("companionway/1/pair", q ‖ T ‖ F)` with `q = X25519(own secret, other's public key)`.
    ///
    /// The conversion of the other's key refuses what is outside of the main subgroup: with a point of small order
    /// added, the same friend would have eight keys with one and the same q.
    private static func agreed(
        own: Identity, other: PublicKey, endpoint: EndpointKey, friend: FriendKey
    ) throws(BlindingError) -> SecretKey {
        guard endpoint.publicKey != friend.publicKey else { throw .sameKey }
        do throws(SodiumError) {
            let shared = try own.agreementSecret().agree(with: other.agreementKey())
            var hash = GenericHash(label: "companionway/1/pair")
            hash.update(shared)
            hash.update(endpoint.bytes)
            hash.update(friend.bytes)
            return try hash.finalizeSecret(guarded: true)
        } catch {
            throw error == .outOfGuardedMemory ? .outOfGuardedMemory : .unusableKey
        }
    }
}
