internal import TypedSodium

/// The transform `shs:key` or `shs:key:seed` on top of a protocol: whose key the handshake must prove.
package struct HandshakeLayer {
    /// What stands behind the key.
    enum Seed: Equatable {
        case absent
        /// The constant that ssb-room puts in a seed's place; it gives no rights. Source: ssb-room, utils.js.
        case openPortal
        /// The seed of an invite's key pair; checked, and not kept here because it is a secret.
        case secret
    }

    let key: PublicKey
    let seed: Seed

    package static let openPortalConstant = "SSB+Room+PSK3TLYC2T86EHQCUHBUHASCASE18JBV24="

    /// Reads the transforms of an address: none, or this one alone, since no other is spoken here.
    init?(above address: MultiserverAddress) throws(AddressError) {
        let transforms = address.layers.dropFirst()
        if let foreign = transforms.first(where: { $0.name != "shs" }) {
            throw .unknownProtocol(foreign.name)
        }
        guard let layer = transforms.first else { return nil }
        guard transforms.count == 1, let keyField = layer.fields.first, layer.fields.count <= 2 else {
            throw .badKey
        }
        key = try PublicKey(base64: keyField)
        guard layer.fields.count == 2 else {
            seed = .absent
            return
        }
        // A seed is 32 bytes too; multiserver refuses the address otherwise.
        _ = try PublicKey(base64: layer.fields[1])
        seed = layer.fields[1] == Self.openPortalConstant ? .openPortal : .secret
    }
}
