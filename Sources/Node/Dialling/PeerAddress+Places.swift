internal import Invitation
internal import Keyring
internal import Multiserver
internal import TypedSodium

/// A portal's address as settings, invites and the keyring have it.
extension PeerAddress {
    /// Where it is, as the keyring remembers it.
    var place: PortalPlace { PortalPlace(key: key, host: net.host, port: net.port) }
}
