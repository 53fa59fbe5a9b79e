public import TypedSodium

/// Who is reached through a tunnel, whatever the portal: the part of an address that need not be blinded.
public struct TunnelTarget: Hashable, Sendable {
    /// Who is reached.
    public let key: PublicKey
    /// Which of its tunnels is meant; 0 unless it has several.
    public let instance: Int

    /// Puts the parts together.
    ///
    /// - Throws: ``AddressError/badInstance`` when its magnitude is above ``TunnelAddress/instanceLimit``.
    public init(key: PublicKey, instance: Int = 0) throws(AddressError) {
        guard instance.magnitude <= TunnelAddress.instanceLimit.magnitude else { throw .badInstance }
        self.key = key
        self.instance = instance
    }

    /// Reads what stands behind a blinded portal, in the spelling that is printed or without the instance.
    init(blindedFields fields: ArraySlice<String>, _ handshake: HandshakeLayer?) throws(AddressError) {
        guard let id = fields.first else { throw .missingTarget }
        let key = try PublicKey(id: id)
        guard key.id == id else { throw .badID }
        // Fields behind the instance are read as part of it, hence no number.
        let field = fields.count > 1 ? fields.dropFirst().joined(separator: ":") : "0"
        guard let instance = Int(field), String(instance) == field else { throw .badInstance }
        guard let handshake else { throw .missingKey }
        guard handshake.key == key else { throw .keyIsNotTheTargets }
        // Where a plain address drops a seed, no program can have written one here.
        guard handshake.seed == .absent else { throw .inviteCode }
        try self.init(key: key, instance: instance)
    }
}

extension TunnelTarget: CustomStringConvertible {
    /// What stands behind the portal: `@target.ed25519:instance~shs:target`.
    public var description: String { "\(key.id):\(instance)~shs:\(key.base64)" }
}
