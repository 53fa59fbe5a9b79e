package import Blinding
package import TypedSodium

/// A portal that an invite names: whom to dial, and where.
package struct InvitePortal: Hashable, Sendable {
    /// The key that the portal must prove to have.
    package let key: PortalKey
    /// A name, or an IP address without brackets.
    package let host: String
    /// The port, never 0.
    package let port: UInt16
    /// Whether the endpoint is open there: reached by its plain id, because the portal takes no tokens.
    package let isOpen: Bool
    /// The key that the endpoint shows there instead of its own, its pseudonym; `nil` where it is not known, and where
    /// the endpoint is open.
    ///
    /// A caller names it to the portal, so that no other holder of the same token answers in the endpoint's place.
    package private(set) var shownKey: PublicKey?

    /// The longest host in bytes.
    ///
    /// Source: RFC 1035, section 2.3.4.
    package static let hostByteCountLimit = 253

    static let openFlag: UInt8 = 1

    /// Puts the parts together; a shown key is not kept where the endpoint is open.
    ///
    /// - Throws: ``InviteCodeError/emptyHost``, ``InviteCodeError/hostTooLong(_:limit:)``,
    ///   ``InviteCodeError/badHost`` or ``InviteCodeError/badPort``.
    package init(
        key: PortalKey, host: String, port: UInt16, isOpen: Bool, shownKey: PublicKey? = nil
    ) throws(InviteCodeError) {
        let hostBytes = Array(host.utf8)
        guard !hostBytes.isEmpty else { throw .emptyHost }
        guard Self.isHost(hostBytes) else { throw .badHost }
        guard hostBytes.count <= Self.hostByteCountLimit else {
            throw .hostTooLong(hostBytes.count, limit: Self.hostByteCountLimit)
        }
        guard port != 0 else { throw .badPort }
        self.key = key
        self.host = host
        self.port = port
        self.isOpen = isOpen
        self.shownKey = isOpen ? nil : shownKey
    }

    /// The same place with another shown key, which is not kept where the endpoint is open.
    package func showing(_ key: PublicKey?) -> InvitePortal {
        var portal = self
        portal.shownKey = isOpen ? nil : key
        return portal
    }

    /// Sees that an endpoint is announced in one way at each portal, however many hosts the portal has.
    ///
    /// - Throws: ``InviteCodeError/openAndHidden`` or ``InviteCodeError/severalPseudonyms``.
    package static func verifyAgreement(of portals: [InvitePortal]) throws(InviteCodeError) {
        var known: [PortalKey: InvitePortal] = [:]
        for portal in portals {
            guard let earlier = known.updateValue(portal, forKey: portal.key) else { continue }
            guard earlier.isOpen == portal.isOpen else { throw .openAndHidden }
            guard earlier.shownKey == portal.shownKey else { throw .severalPseudonyms }
        }
    }

    /// Whether nothing stands in it that a name or an address cannot have.
    ///
    /// Only the characters count here, so that a host can be shown to people and put into an address; whether it
    /// is a good name or address shows where it is dialled. No zone of an IPv6 address: it means something on
    /// one machine alone.
    private static func isHost(_ bytes: [UInt8]) -> Bool {
        guard bytes.first != UInt8(ascii: "-") else { return false }
        if bytes.contains(UInt8(ascii: ":")) {
            return bytes.allSatisfy { byte in
                isDigit(byte) || (0x61...0x66).contains(byte | 0x20) || byte == UInt8(ascii: ":")
                    || byte == UInt8(ascii: ".")
            }
        }
        return bytes.allSatisfy { byte in
            isDigit(byte) || (0x61...0x7a).contains(byte | 0x20) || byte == UInt8(ascii: "-")
                || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ".")
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
}
