internal import Blinding
internal import Keyring
internal import Multiserver
internal import Node
internal import Sodium

/// How people name one of their portals: its id, `host:port`, or the whole address.
enum PortalReference {
    /// The one portal that is meant.
    ///
    /// - Throws: ``CommandFailure`` with ``ExitStatus/notFound``, or ``ExitStatus/usage`` where several are meant.
    static func portal(_ text: String, in opened: OpenedKeyring?) throws(CommandFailure) -> InvitePortal {
        let text = text.trimmed
        let portals =
            try opened?.perform { (keyring) throws(KeyringError) in try keyring.portals().map(\.portal) }
            ?? []
        let meant = portals.filter { matches($0, text) }
        guard let portal = meant.first else {
            throw CommandFailure(.notFound, "no portal here is '\(text)': look at `cway portals list`")
        }
        guard meant.count == 1 else {
            throw CommandFailure(
                .usage,
                "'\(text)' means \(meant.count) portals: name one by its id, which `cway portals list` shows")
        }
        return portal
    }

    private static func matches(_ portal: InvitePortal, _ text: String) -> Bool {
        if let key = try? PublicKey(id: text) { return portal.key.publicKey == key }
        if let net = try? NetAddress(hostAndPort: text) {
            return portal.host == net.host && portal.port == net.port
        }
        return (try? Address(text))?.key == portal.key.publicKey
    }
}
