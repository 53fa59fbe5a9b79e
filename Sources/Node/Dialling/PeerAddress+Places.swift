internal import Invitation
internal import Keyring
internal import Multiserver
internal import TypedSodium

/// A portal's address as settings, invites and the keyring have it.
extension PeerAddress {
    /// A portal's address from a setting: any form that a command takes, except one that needs a portal itself.
    init(setting text: String) throws(AddressError) {
        guard case .peer(let peer) = try Address(text) else { throw .unknownProtocol("tunnel") }
        self = peer
    }

    /// The same, as the keyring remembers it.
    var place: PortalPlace { PortalPlace(key: key, host: net.host, port: net.port) }
}
