package import Multiserver
package import TypedSodium

/// An invite to a portal, as ssb clients know it: whoever has it becomes one of those who may announce there.
///
/// Two spellings are read: `host:port:@key.ed25519~seed`, with the quotes and the `#…` tail that some programs put
/// around it, and `net:host:port~shs:key:seed`. The seed is a secret: it has no description.
///
/// Source: ssb-ref, index.js, and ssb-invite, index.js.
package struct PortalInvite: ~Copyable, Sendable {
    /// The portal.
    package let portal: PeerAddress
    /// The seed of the key pair under which the portal is dialled to redeem the invite.
    package let seed: SecretKey

    /// Puts the two together.
    package init(portal: PeerAddress, seed: consuming SecretKey) {
        self.portal = portal
        self.seed = seed
    }

    /// Reads a code.
    ///
    /// - Throws: ``AddressError``; ``AddressError/noInvite`` for an address without a seed, or with the one of an open
    ///   portal, which needs no invite.
    package init(_ text: String) throws(AddressError) {
        let bare = Self.bare(text)
        let (address, digits): (String, Substring)
        if bare.hasPrefix("net:") {
            guard let colon = bare.lastIndex(of: ":"), let tilde = bare.lastIndex(of: "~"),
                bare[tilde...].count(where: { $0 == ":" }) == 2
            else { throw .noInvite }
            (address, digits) = (String(bare[..<colon]), bare[bare.index(after: colon)...])
        } else {
            guard let tilde = bare.lastIndex(of: "~") else { throw .noInvite }
            (address, digits) = (String(bare[..<tilde]), bare[bare.index(after: tilde)...])
        }
        guard digits != HandshakeLayer.openPortalConstant else { throw .noInvite }
        guard case .peer(let portal) = try Address(address) else { throw .noInvite }
        self.init(portal: portal, seed: try Self.seed(digits))
    }

    /// The code in the older spelling, which every ssb client reads.
    package borrowing func encoded() -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(SecretKey.byteCount)
        seed.append(to: &bytes)
        defer { wipe(&bytes) }
        return "\(portal.net.hostAndPort):\(portal.key.id)~\(Base64.text(of: bytes))"
    }

    /// The code alone, without what is put around it for transport.
    private static func bare(_ text: String) -> Substring {
        var bare = text[...]
        if bare.count >= 2, bare.first == "\"", bare.last == "\"" { bare = bare.dropFirst().dropLast() }
        return bare.prefix { $0 != "#" }
    }

    private static func seed(_ digits: Substring) throws(AddressError) -> SecretKey {
        do throws(SodiumError) {
            var bytes = try TextEncoding.base64.decode(Array(digits.utf8).span)
            defer { wipe(&bytes) }
            return try SecretKey(copying: bytes.span)
        } catch {
            throw .badSeed
        }
    }
}
