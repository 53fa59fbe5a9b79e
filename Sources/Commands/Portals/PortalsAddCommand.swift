internal import ArgumentParser
internal import Blinding
internal import Invitation
internal import Keyring
internal import Multiserver
internal import Node
internal import TypedSodium

/// `cway portals add`.
struct PortalsAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Add a portal, by its address or by an invite to it.",
        discussion: """
            An address is stored, and dialled once, with a warning where nobody, or another key, answers. A portal that is \
            known gets another host: both are dialled, friends learn of the new one at their next connect, and `cway \
            portals remove HOST:PORT` takes the old one away. Another host of a portal that so far only friends have \
            named is dialled to reach them; this node announces itself there only with --announce.

            An invite (host:port:@KEY.ed25519~SEED), which a portal makes where only members may announce, is redeemed \
            first, for the key that this node will show there. It holds a secret: without an argument it is asked for, \
            and not shown, or read from standard input. As an argument it stands in the shell's history, and for a \
            moment in the list of processes, where it is overwritten as soon as it is read.

            EXAMPLES
              cway portals add net:portal.example.org:8008~shs:KEY=
              cway portals add net:room.example.org:8008~shs:KEY= --open
              cway portals add < invite.txt
            """)

    @OptionGroup private var options: KeyringOptions

    @Argument(
        help: ArgumentHelp(
            "The portal's address, several with ; between, or an invite to it; - as without it: to be asked, or read from standard input.",
            valueName: "address"))
    private var address: String?

    @Flag(
        name: .customLong("announce"),
        help: "Announce this node there too, where so far it is only dialled to reach friends.")
    private var announces = false

    @Flag(name: .customLong("open"), help: "Announce under this node's real id there, not hidden.")
    private var isOpen = false

    func run() async throws {
        let given = address.map { [$0] } ?? []
        let pasted = try CommandEnvironment.current.secret(given, asking: "Address or invite (not shown): ") {
            CodeText.portal(in: $0) != nil || CodeText.invite(in: $0) != nil
        }
        let text = CodeText.portal(in: pasted) ?? CodeText.invite(in: pasted) ?? pasted.trimmed
        guard !text.hasPrefix(InviteCode.prefix) else {
            throw CommandFailure(
                .usage, "this is an invite of a friend, not of a portal: run `cway join` with it")
        }
        guard let invite = try Self.invite(in: text) else {
            let (portals, opened) = (try PortalAddressText.readAll(text), try options.open())
            for portal in portals {
                try await check(portal, opened, isAnnounced: try store(portal, opened))
            }
            return
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
        try store(invite.portal, opened, isJoined: true)
    }

    // MARK: Storing

    /// Stores a portal, or another host of one; whether this node announces itself there.
    @discardableResult
    private func store(
        _ address: PeerAddress, _ opened: OpenedKeyring, isJoined: Bool = false
    ) throws(CommandFailure) -> Bool {
        let (known, friends) = try opened.perform { (keyring) throws(KeyringError) in
            (
                try keyring.portals.all().first { $0.portal.key.publicKey == address.key },
                try keyring.friends.all().filter { $0.isReached(at: address.key) }
            )
        }
        // Adding it once more, at another address maybe, does not change what it may know.
        let portal = try PortalAddress(
            address, isOpen: isOpen || known?.isAnnounced == true && known?.portal.isOpen == true)
        let isOfFriends = !friends.isEmpty && !friends.contains { $0.isReached(at: portal) }
        let isAnnounced = isJoined || announces || isOpen || known?.isAnnounced ?? !isOfFriends
        let addition = try opened.perform { (keyring) throws(KeyringError) in
            try keyring.portals.add(portal, isAnnounced: isAnnounced, now: WallClock.seconds())
        }
        if isAnnounced {
            let shown = try ShownKey.key(of: opened.identity, at: portal)
            try CommandEnvironment.current.print(
                "\(portal.hostAndPort): \(portal.manner), seen as \(shown.id)")
        } else {
            let names = friends.map(\.name).joined(separator: ", ")
            try CommandEnvironment.current.print(
                "\(portal.hostAndPort): dialled to reach \(names); this node is not announced there (see --announce)"
            )
        }
        if case .hostAdded(let hosts) = addition {
            let places = hosts.map(\.hostAndPort).joined(separator: ", ")
            CommandEnvironment.current.note(
                "another host of the portal at \(places)"
                    + (isAnnounced
                        ? ": friends learn of it at their next connect; then remove the one that goes" : ""))
        }
        return isAnnounced
    }

    // MARK: Looking

    /// Warns where the portal cannot be used just now; it stays stored.
    private func check(
        _ portal: PeerAddress, _ opened: OpenedKeyring, isAnnounced: Bool
    ) async throws(CommandFailure) {
        let (settings, _) = try await options.common.settings(in: opened.home, flags: options.common.flags)
        // The key that it will see: it may let nobody else in.
        let key: Caller.OuterKey = !isAnnounced ? .fresh : isOpen ? .real : .pseudonym
        let caller = Caller(identity: opened.identity, outerKey: key, network: settings.network)
        guard let complaint = await PortalProbe.complaint(about: portal, dialledBy: caller) else { return }
        CommandEnvironment.current.note("stored, but it cannot be used now: \(complaint)")
    }
}

extension Friend {
    /// Whether the friend is reached through a portal of that key.
    fileprivate func isReached(at key: PublicKey) -> Bool {
        reach?.portals.contains { $0.key.publicKey == key } == true
    }

    /// Whether the friend has named that very host of a portal.
    fileprivate func isReached(at place: PortalAddress) -> Bool {
        reach?.portals.contains { $0.listens(at: place) } == true
    }
}
