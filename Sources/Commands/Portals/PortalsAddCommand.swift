internal import ArgumentParser
internal import Blinding
internal import Keyring
internal import Multiserver
internal import Node
internal import Sodium

/// `cway portals add`.
struct PortalsAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Add a portal, by its address or by an invite to it.",
        discussion: """
            An address is stored, and nothing is dialled. An invite, which portals make that let members only \
            announce (host:port:@KEY.ed25519~SEED), is redeemed first, for the key that this node will show there. \
            It holds a secret: without an argument it is asked for, and not shown, or read from standard input. As an \
            argument it stands in the shell's history, and for a moment in the list of processes, where it is \
            overwritten as soon as it is read.

            EXAMPLES
              cway portals add net:portal.example.org:8008~shs:KEY=
              cway portals add net:room.example.org:8008~shs:KEY= --open
              cway portals add < invite.txt
            """)

    @OptionGroup private var options: KeyringOptions

    @Argument(
        help: ArgumentHelp(
            "The portal's address, or an invite to it; - as without it: to be asked, or read from standard input.",
            valueName: "address"))
    private var address: String?

    @Flag(name: .customLong("open"), help: "Announce under this node's real id there, not hidden.")
    private var isOpen = false

    func run() async throws {
        let given = address.map { [$0] } ?? []
        let pasted = try Surroundings.current.secret(given, asking: "Address or invite (not shown): ") {
            CodeText.portal(in: $0) != nil || CodeText.invite(in: $0) != nil
        }
        let text = CodeText.portal(in: pasted) ?? CodeText.invite(in: pasted) ?? pasted.trimmed
        guard !text.hasPrefix(InviteCode.prefix) else {
            throw CommandFailure(
                .usage, "this is an invite of a friend, not of a portal: run `cway join` with it")
        }
        guard let invite = try Self.invite(in: text) else {
            return try store(try Self.portal(at: text), options.open())
        }
        try await join(invite)
    }

    /// The invite in a text; `nil` for what can only be an address.
    private static func invite(in text: String) throws(CommandFailure) -> PortalInvite? {
        do throws(AddressError) {
            return try PortalInvite(text)
        } catch {
            guard error == .noInvite else { throw CommandFailure(.usage, error) }
            return nil
        }
    }

    private func join(_ invite: borrowing PortalInvite) async throws {
        let opened = try options.open()
        try await PortalJoining(opened: opened, options: options.common, showsRealID: isOpen).redeem(invite)
        try store(invite.portal, opened)
    }

    private static func portal(at text: String) throws(CommandFailure) -> PeerAddress {
        let address: Address
        do throws(AddressError) {
            address = try Address(text)
        } catch {
            throw CommandFailure(.usage, error)
        }
        guard case .peer(let peer) = address else {
            throw CommandFailure(.usage, "a portal is dialled itself: write net:HOST:PORT~shs:KEY")
        }
        return peer
    }

    private func store(_ address: PeerAddress, _ opened: OpenedKeyring) throws(CommandFailure) {
        let known = try opened.perform { (keyring) throws(KeyringError) in
            try keyring.portals().first { $0.portal.key.publicKey == address.key }
        }
        // Adding it once more, at another address maybe, does not change what it may know.
        let portal = try InvitePortal(address, isOpen: isOpen || known?.portal.isOpen == true)
        try opened.perform { (keyring) throws(KeyringError) in
            try keyring.addPortal(portal, now: WallClock.seconds())
        }
        let shown = try ShownKey.key(of: opened.identity, at: portal)
        try Surroundings.current.print("\(portal.hostAndPort): \(portal.manner), seen as \(shown.id)")
    }
}
