public import TypedSodium

/// A peer that is dialled directly: where it listens, and the key it must prove to have.
public struct PeerAddress: Hashable, Sendable {
    /// Where it listens.
    public let net: NetAddress
    /// Its public key.
    public let key: PublicKey

    /// Puts the two together.
    public init(net: NetAddress, key: PublicKey) {
        self.net = net
        self.key = key
    }

    /// Reads what people have: `net:host:port~shs:key`, a list of such addresses, or the older
    /// `host:port:@key.ed25519`.
    ///
    /// - Throws: ``AddressError``; ``AddressError/unknownProtocol(_:)`` where the peer is behind a portal, which
    ///   ``Address`` reads too.
    public init(_ text: String) throws(AddressError) {
        guard case .peer(let peer) = try Address(text) else { throw .unknownProtocol("tunnel") }
        self = peer
    }

    /// Reads `net:host:port~shs:key`.
    ///
    /// The host is everything between the first and the last colon, as in multiserver's `net`, hence IPv6 needs
    /// no brackets; with them it is read as well. What ssb-room appends to the address of an open portal, a
    /// constant in the place of a seed, gives no rights and is dropped.
    ///
    /// - Throws: ``AddressError``; ``AddressError/inviteCode`` when there is a real seed behind the key.
    public init(_ address: MultiserverAddress) throws(AddressError) {
        guard let layer = address.layers.first, layer.name == "net" else {
            throw .unknownProtocol(address.layers.first?.name ?? "")
        }
        guard let portField = layer.fields.last, layer.fields.count >= 2 else { throw .badPort }
        let host = layer.fields.dropLast().joined(separator: ":")
        let net = try NetAddress(host: host, port: portNumber(portField))
        guard let handshake = try HandshakeLayer(above: address) else { throw .missingKey }
        switch handshake.seed {
        case .absent, .openPortal: break
        case .secret: throw .inviteCode
        }
        self.init(net: net, key: handshake.key)
    }

    /// How many alternatives a list has at most: as many as an invite names.
    package static let alternativeLimit = 8

    /// Reads all addresses of one portal or peer: a list with `;` between them, of which those are passed over that are not
    /// spoken here while another one is.
    ///
    /// - Throws: ``AddressError``; ``AddressError/severalKeys`` where they are not of one peer.
    package static func alternatives(in text: String) throws(AddressError) -> [PeerAddress] {
        let first = try PeerAddress(text)
        guard text.contains(";") else { return [first] }
        var found: [PeerAddress] = []
        for address in try AddressList(text).addresses {
            guard case .peer(let peer)? = try? Address(address), !found.contains(peer) else { continue }
            guard peer.key == first.key else { throw .severalKeys }
            found.append(peer)
        }
        guard found.count <= alternativeLimit else {
            throw .tooManyAlternatives(found.count, limit: alternativeLimit)
        }
        return found
    }

    /// Reads the older form `host:port:@key.ed25519`, which ssb-ref still takes for an address.
    package init(hostPortAndID text: String) throws(AddressError) {
        guard let sigil = text.lastIndex(of: "@"), text[..<sigil].last == ":" else { throw .badID }
        let net = try NetAddress(hostAndPort: String(text[..<sigil].dropLast()))
        self.init(net: net, key: try PublicKey(id: String(text[sigil...])))
    }
}

extension PeerAddress: CustomStringConvertible {
    /// The multiserver form, `net:host:port~shs:key`.
    public var description: String { "\(net)~shs:\(key.base64)" }
}
