public import TypedSodium

/// A peer that is reached through a portal it is connected to.
///
/// `tunnel:@portal.ed25519:@target.ed25519:instance~shs:target`. Source: ssb-tunnel, index.js and README.
public struct TunnelAddress: Hashable, Sendable {
    /// Who relays.
    public let portal: PublicKey
    /// Who is reached.
    public let target: PublicKey
    /// Which of the target's tunnels is meant; 0 unless it has several.
    public let instance: Int

    /// Instances are numbers of JavaScript, which are exact up to here.
    public static let instanceLimit = (1 << 53) - 1

    /// Puts the parts together.
    ///
    /// - Throws: ``AddressError/badInstance`` when its magnitude is above ``instanceLimit``.
    public init(portal: PublicKey, target: PublicKey, instance: Int = 0) throws(AddressError) {
        self.init(portal: portal, target: try TunnelTarget(key: target, instance: instance))
    }

    /// The plain address of a target once its portal is known, as after resolving a blinded one.
    public init(portal: PublicKey, target: TunnelTarget) {
        self.portal = portal
        self.target = target.key
        self.instance = target.instance
    }

    /// Reads a tunnel address, as leniently as ssb-tunnel does.
    ///
    /// - An instance that is missing or no number is 0, and fields behind it mean nothing.
    /// - `~shs:` may be missing: the target's key is in its id, so the address can be dialled all the same.
    /// - A seed behind the key is dropped: tunnels are dialled with the caller's own key.
    ///
    /// Stricter than others in one thing: a key that is not the target's is refused, because no endpoint could
    /// answer to it.
    ///
    /// - Throws: ``AddressError``.
    public init(_ address: MultiserverAddress) throws(AddressError) {
        guard let layer = address.layers.first, layer.name == "tunnel" else {
            throw .unknownProtocol(address.layers.first?.name ?? "")
        }
        guard layer.fields.count >= 2 else { throw .missingID }
        let portal = try PublicKey(id: layer.fields[0])
        let target = try PublicKey(id: layer.fields[1])
        let instance = layer.fields.count > 2 ? try Self.instance(layer.fields[2]) : 0
        if let handshake = try HandshakeLayer(above: address), handshake.key != target {
            throw .keyIsNotTheTargets
        }
        try self.init(portal: portal, target: target, instance: instance)
    }

    /// ssb-tunnel's `+field || 0`, an integer or refused.
    ///
    /// Numbers in another spelling than plain decimal (`1e3`, `0x10`, `1.0`) are refused instead of computed:
    /// no program prints them.
    private static func instance(_ field: String) throws(AddressError) -> Int {
        if let number = Int(field) { return number }
        if let number = Double(field), !number.isNaN { throw .badInstance }
        return 0
    }
}

extension TunnelAddress: CustomStringConvertible {
    /// The form that every parser dials: sigils, instance and key, no seed.
    public var description: String {
        "tunnel:\(portal.id):\(target.id):\(instance)~shs:\(target.base64)"
    }
}
