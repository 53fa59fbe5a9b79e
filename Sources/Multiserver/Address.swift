public import TypedSodium

/// An address that can be dialled, once it is resolved if it is blinded: what a command takes as its argument.
public enum Address: Hashable, Sendable {
    /// A peer that listens itself.
    case peer(PeerAddress)
    /// A peer behind a portal.
    case tunnel(TunnelAddress)
    /// A peer behind a portal that has to be found out first.
    case blinded(BlindedAddress)

    /// Reads an address or a list of them and takes the first that can be dialled.
    ///
    /// Protocols and transforms that are not spoken here (`ws`, `onion`) and entries that are broken are passed
    /// over while another entry will do. So are blinded ones, because every other can be dialled as it stands.
    /// The older form `host:port:@key.ed25519` is read too.
    ///
    /// - Throws: ``AddressError``, the first entry's own when there are several and none will do.
    public init(_ text: String) throws(AddressError) {
        guard !Self.isHostPortAndID(text) else {
            self = .peer(try PeerAddress(hostPortAndID: text))
            return
        }
        var firstError: AddressError?
        var firstBlinded: Address?
        for address in try AddressList(text).addresses {
            do throws(AddressError) {
                let address = try Address(address)
                guard case .blinded = address else {
                    self = address
                    return
                }
                firstBlinded = firstBlinded ?? address
            } catch {
                firstError = firstError ?? error
            }
        }
        guard let firstBlinded else { throw firstError ?? .empty }
        self = firstBlinded
    }

    /// Reads a single address whose grammar has been checked.
    ///
    /// - Throws: ``AddressError``.
    public init(_ address: MultiserverAddress) throws(AddressError) {
        if BlindedAddress.isMeant(by: address) {
            self = .blinded(try BlindedAddress(address))
        } else if address.layers.first?.name == "tunnel" {
            self = .tunnel(try TunnelAddress(address))
        } else {
            self = .peer(try PeerAddress(address))
        }
    }

    /// Who answers there, and proves it in the innermost handshake; `nil` where a sealed address hides it.
    public var key: PublicKey? {
        switch self {
        case .peer(let peer): peer.key
        case .tunnel(let tunnel): tunnel.target
        case .blinded(.hmac1(_, let target)), .blinded(.circle1(_, let target)): target.key
        case .blinded(.sealed): nil
        }
    }

    /// Whether the text has the older form: one id at the end and no multiserver protocol in front.
    private static func isHostPortAndID(_ text: String) -> Bool {
        guard text.utf8.count <= AddressList.byteCountLimit else { return false }
        let isMultiserver = text.hasPrefix("net:") || text.hasPrefix("tunnel:") || text.contains("~")
        return !isMultiserver && text.contains(":@") && text.hasSuffix(".ed25519")
    }
}

extension Address: CustomStringConvertible {
    /// The multiserver form.
    public var description: String {
        switch self {
        case .peer(let peer): peer.description
        case .tunnel(let tunnel): tunnel.description
        case .blinded(let blinded): blinded.description
        }
    }
}
