package import TypedSodium

/// Everything that the machines of a portal have in common, made from the portal's seed S and its key P.
///
///     subject   = first 16 digits of base32 of H("companionway/1/cluster-subject", P, key: S)
///     directory = H("companionway/1/cluster-directory", P, key: S)          seals messages and records
///     link      = H("companionway/1/cluster-link", P, key: S)               network identifier of links
///     machine   = key pair of seed H("companionway/1/cluster-machine", machine, key: S)
///
/// So a machine that has the portal's key needs nothing else to belong to it, and one of another portal on the same
/// NATS reads nothing. Whoever takes one machine has taken the portal's key.
package struct ClusterKeys: ~Copyable, Sendable {
    private static let subjectDigitCount = 16

    private let portal: Identity

    /// What the names of the portal's subjects begin with, behind `cw.`.
    package let subject: String
    /// Seals messages and records.
    package let directory: SecretKey
    /// The network identifier of links.
    package let link: SecretKey

    /// The keys of a portal.
    ///
    /// - Throws: ``TypedSodium/SodiumError/outOfGuardedMemory``.
    package init(portal: Identity) throws(SodiumError) {
        let directory = try Self.hash("cluster-directory", of: portal).finalizeSecret(guarded: true)
        let link = try Self.hash("cluster-link", of: portal).finalizeSecret()
        let subject = Self.hash("cluster-subject", of: portal).finalize()
        self.portal = portal
        self.directory = directory
        self.link = link
        self.subject = String(Base32.encode(subject.array).prefix(Self.subjectDigitCount))
    }

    private static func hash(_ purpose: String, of portal: Identity) -> GenericHash {
        var hash = GenericHash(label: "companionway/1/\(purpose)", key: portal.seed())
        hash.update(portal.publicKey.bytes)
        return hash
    }

    /// The key pair that a machine shows on links, so that the machine that dials knows which one it wants.
    ///
    /// - Throws: ``TypedSodium/SodiumError/outOfGuardedMemory``.
    package borrowing func identity(of machine: MachineID) throws(SodiumError) -> Identity {
        var hash = GenericHash(label: "companionway/1/cluster-machine", key: portal.seed())
        hash.update(machine.bytes.span)
        return try Identity(seed: hash.finalizeSecret())
    }
}
