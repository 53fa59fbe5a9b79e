internal import Blinding
internal import Invitation
internal import Keyring
internal import Multiserver
internal import Node
internal import TypedSodium

/// How people name one of their portals: its id, `host:port`, or the whole address.
struct PortalReference {
    /// The portal, with all its hosts.
    let portal: PortalRecord
    /// The portal at the host that was named; `nil` where the portal was, by its id.
    let host: PortalAddress?

    /// The one portal that is meant.
    ///
    /// - Throws: ``CommandFailure`` with ``ExitStatus/notFound``, or ``ExitStatus/usage`` where several are meant.
    init(_ text: String, in opened: OpenedKeyring?) throws(CommandFailure) {
        let text = text.trimmed
        let portals =
            try opened?.perform { (keyring) throws(KeyringError) in try keyring.portals.all() } ?? []
        let meant = portals.compactMap { Self.match($0, text) }
        guard let found = meant.first else {
            throw CommandFailure(.notFound, "no portal here is '\(text)': look at `cway portals list`")
        }
        guard meant.count == 1 else {
            throw CommandFailure(
                .usage,
                "'\(text)' means \(meant.count) portals: name one by its id, which `cway portals list` shows")
        }
        self = found
    }

    private init(portal: PortalRecord, host: PortalAddress?) {
        self.portal = portal
        self.host = host
    }

    private static func match(_ record: PortalRecord, _ text: String) -> PortalReference? {
        let key = record.portal.key.publicKey
        if let named = try? PublicKey(id: text) {
            return named == key ? PortalReference(portal: record, host: nil) : nil
        }
        var net = try? NetAddress(hostAndPort: text)
        if case .peer(let peer)? = try? Address(text) {
            guard peer.key == key else { return nil }
            net = peer.net
        }
        guard let net,
            let host = record.portal.hosts.first(where: { $0.name == net.host && $0.port == net.port })
        else { return nil }
        return PortalReference(portal: record, host: record.portal.at(host))
    }
}
