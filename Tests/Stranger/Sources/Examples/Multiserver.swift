import Multiserver

/// Says what an address leads to: `net:example.org:8008~shs:…`, `tunnel:@….ed25519:@….ed25519:0~shs:…`.
public func describe(_ text: String) throws(AddressError) -> String {
    switch try Address(text) {
    case .peer(let peer): "\(peer.key.id), who listens at \(peer.net.hostAndPort)"
    case .tunnel(let tunnel): "\(tunnel.target.id), through the portal \(tunnel.portal.id)"
    case .blinded: "somebody behind a portal that only friends can tell"
    }
}
