package import Blinding
package import Multiserver
package import TypedSodium

/// A portal as invites, grants and keyrings name it: its key, its hosts, and how the endpoint is announced there.
///
/// Invariants: it has at least one host; all of them are one portal's, so all have one key and one manner; a shown key
/// stands only where the endpoint is hidden. A list in the order in which to try, as invites and grants have it, names
/// each host alone, see ``places``.
package struct PortalAddress: Hashable, Sendable {
    /// Where a portal listens, as far as its characters tell; ``peer()`` says whether it can be dialled.
    package struct Host: Hashable, Sendable {
        /// A name, or an IP address without brackets.
        package let name: String
        /// The port, never 0.
        package let port: UInt16

        /// For people: `HOST:PORT`, with brackets around an IPv6 address.
        package var hostAndPort: String { name.contains(":") ? "[\(name)]:\(port)" : "\(name):\(port)" }
    }

    /// The longest host in bytes.
    ///
    /// Source: RFC 1035, section 2.3.4.
    package static let hostByteCountLimit = 253

    static let openFlag: UInt8 = 1

    /// The key that the portal must prove to have.
    package let key: PortalKey
    /// The host to try first.
    package private(set) var first: Host
    /// Its other hosts, in the order in which to try.
    package private(set) var others: [Host] = []
    /// Whether the endpoint is open there: reached by its plain id, because the portal takes no tokens.
    package private(set) var isOpen: Bool
    /// The key that the endpoint shows there instead of its own, its pseudonym; `nil` where it is not known, and where
    /// the endpoint is open.
    ///
    /// A caller names it to the portal, so that no other holder of the same token answers in the endpoint's place.
    package private(set) var shownKey: PublicKey?

    /// A portal at one host; a shown key is not kept where the endpoint is open.
    ///
    /// - Throws: ``InviteCodeError/emptyHost``, ``InviteCodeError/hostTooLong(_:limit:)``,
    ///   ``InviteCodeError/badHost`` or ``InviteCodeError/badPort``.
    package init(
        key: PortalKey, host: String, port: UInt16, isOpen: Bool, shownKey: PublicKey? = nil
    ) throws(InviteCodeError) {
        self.key = key
        first = try Host(host, port)
        self.isOpen = isOpen
        self.shownKey = isOpen ? nil : shownKey
    }

    // MARK: Hosts

    /// Every host, the first one first.
    package var hosts: [Host] { [first] + others }

    /// The name of the first host.
    package var host: String { first.name }

    /// The port of the first host.
    package var port: UInt16 { first.port }

    /// The same portal at its first host alone.
    package var atFirstHost: PortalAddress { at(first) }

    /// The same portal at each of its hosts alone.
    package var places: [PortalAddress] { hosts.map(at) }

    /// The same portal at one host alone.
    package func at(_ host: Host) -> PortalAddress {
        var portal = self
        portal.first = host
        portal.others = []
        return portal
    }

    /// The same portal at hosts in another order, or at others.
    ///
    /// - Returns: `nil` without any host.
    package func at(_ hosts: [Host]) -> PortalAddress? {
        guard let first = hosts.first else { return nil }
        var portal = at(first)
        portal.others = Array(hosts.dropFirst())
        return portal
    }

    /// The same portal at one more host, behind the others.
    package func adding(_ host: Host) -> PortalAddress {
        var portal = self
        portal.others.append(host)
        return portal
    }

    /// Whether the first host of another address is one of this portal's, however the endpoint is announced there.
    package func listens(at other: PortalAddress) -> Bool {
        key == other.key && hosts.contains(other.first)
    }

    /// The portal as a peer that is dialled, at its first host.
    ///
    /// - Throws: `AddressError`, for a host that cannot be dialled.
    package func peer() throws(AddressError) -> PeerAddress {
        PeerAddress(net: try NetAddress(host: first.name, port: first.port), key: key.publicKey)
    }

    // MARK: Manner

    /// The same hosts with another shown key, which is not kept where the endpoint is open.
    package func showing(_ key: PublicKey?) -> PortalAddress { inManner(isOpen: isOpen, shownKey: key) }

    /// The same hosts, with the endpoint announced in another manner.
    package func inManner(isOpen: Bool, shownKey: PublicKey?) -> PortalAddress {
        var portal = self
        portal.isOpen = isOpen
        portal.shownKey = isOpen ? nil : shownKey
        return portal
    }

    /// The same hosts with the key that is shown there, where this says none and others of the same portal do.
    ///
    /// What is shown at a portal never changes, and an endpoint of an earlier version, which does not name it, does not
    /// deny it either.
    package func keepingShownKey(of former: [PortalAddress]) -> PortalAddress {
        guard shownKey == nil else { return self }
        return showing(former.first { $0.key == key && $0.shownKey != nil }?.shownKey)
    }

    /// Checks that an endpoint is announced in one way at each portal, however many hosts the portal has.
    ///
    /// - Throws: ``InviteCodeError/openAndHidden`` or ``InviteCodeError/severalPseudonyms``.
    package static func verifyAgreement(of portals: [PortalAddress]) throws(InviteCodeError) {
        var known: [PortalKey: PortalAddress] = [:]
        for portal in portals {
            guard let earlier = known.updateValue(portal, forKey: portal.key) else { continue }
            guard earlier.isOpen == portal.isOpen else { throw .openAndHidden }
            guard earlier.shownKey == portal.shownKey else { throw .severalPseudonyms }
        }
    }

    // MARK: Words

    /// The address of the first host; its characters have been checked, so it can be printed in any case.
    package var addressText: String { "net:\(first.name):\(first.port)~shs:\(key.publicKey.base64)" }

    /// For people: where it listens first.
    package var hostAndPort: String { first.hostAndPort }

    /// For people: how the endpoint is announced there.
    package var manner: String { isOpen ? "open" : "hidden" }
}

extension PortalAddress.Host {
    /// A host in which nothing stands that a name or an address cannot have.
    ///
    /// Only the characters count here, so that a host can be shown to people and put into an address; whether it
    /// is a good name or address shows where it is dialled. No zone of an IPv6 address: it means something on
    /// one machine alone.
    ///
    /// - Throws: ``InviteCodeError/emptyHost``, ``InviteCodeError/hostTooLong(_:limit:)``,
    ///   ``InviteCodeError/badHost`` or ``InviteCodeError/badPort``.
    package init(_ name: String, _ port: UInt16) throws(InviteCodeError) {
        let bytes = Array(name.utf8)
        guard !bytes.isEmpty else { throw .emptyHost }
        guard Self.isName(bytes) else { throw .badHost }
        guard bytes.count <= PortalAddress.hostByteCountLimit else {
            throw .hostTooLong(bytes.count, limit: PortalAddress.hostByteCountLimit)
        }
        guard port != 0 else { throw .badPort }
        self.name = name
        self.port = port
    }

    private static func isName(_ bytes: [UInt8]) -> Bool {
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
