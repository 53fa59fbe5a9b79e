public import Sodium

/// An address that can be dialled: what a command takes as its argument.
public enum Address: Hashable, Sendable {
    /// A peer that listens itself.
    case peer(PeerAddress)
    /// A peer behind a portal.
    case tunnel(TunnelAddress)

    /// Reads an address or a list of them and takes the first that can be dialled.
    ///
    /// Protocols and transforms that are not spoken here (`ws`, `onion`) and entries that are broken are passed
    /// over while another entry will do. The older form `host:port:@key.ed25519` is read too.
    ///
    /// - Throws: ``AddressError``, the first entry's own when there are several and none will do.
    public init(_ text: String) throws(AddressError) {
        guard !Self.isLegacy(text) else {
            self = .peer(try PeerAddress(legacy: text))
            return
        }
        var firstError: AddressError?
        for address in try AddressList(text).addresses {
            do throws(AddressError) {
                self = try Address(address)
                return
            } catch {
                firstError = firstError ?? error
            }
        }
        throw firstError ?? .empty
    }

    /// Reads a single address whose grammar has been checked.
    ///
    /// - Throws: ``AddressError``.
    public init(_ address: MultiserverAddress) throws(AddressError) {
        if address.layers.first?.name == "tunnel" {
            self = .tunnel(try TunnelAddress(address))
        } else {
            self = .peer(try PeerAddress(address))
        }
    }

    /// Who answers there, and proves it in the innermost handshake.
    public var key: PublicKey {
        switch self {
        case .peer(let peer): peer.key
        case .tunnel(let tunnel): tunnel.target
        }
    }

    /// Whether the text has the older form: one id at the end and no multiserver protocol in front.
    private static func isLegacy(_ text: String) -> Bool {
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
        }
    }
}
