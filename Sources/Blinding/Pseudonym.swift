package import TypedSodium

/// The key pair that a hidden endpoint shows to one portal, and a client where a portal admits members only.
///
/// Always the same at one portal, and without the real seed unlinkable to any other.
package enum Pseudonym {
    /// The pseudonym of an identity at a portal: the key pair that grows from
    /// `H("companionway/1/pseudonym", P, key: seed of the identity)`.
    ///
    /// - Throws: ``BlindingError/outOfGuardedMemory``.
    package static func identity(of identity: Identity, at portal: PortalKey) throws(BlindingError)
        -> Identity
    {
        var hash = GenericHash(label: "companionway/1/pseudonym", key: identity.seed())
        hash.update(portal.bytes)
        do throws(SodiumError) {
            return try Identity(seed: hash.finalizeSecret())
        } catch {
            throw .outOfGuardedMemory
        }
    }
}
