internal import ArgumentParser
internal import Blinding
internal import Invitation
internal import Keyring
internal import Multiserver
internal import MuxRPC
internal import Node
internal import Tunnel
internal import TypedSodium

/// `cway portal invite`.
struct PortalInviteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "invite",
        abstract: "Make an invite that makes its reader a member of this portal, and print its code once.",
        discussion: """
            `cway portals add` asks for the code; any ssb client takes it too. It cannot be shown again. It names where others \
            reach this portal: --public-host, or else where the settings say that it listens. JSON is {"id", "code", "label", \
            "uses", "expires", "portal"}; expires is null for never.

            EXAMPLES
              cway portal invite --label "Anna's server" --public-host portal.example.org:8008
              cway portal invite --uses 20 --expires 30d --public-host portal.example.org:8008
            """)

    @OptionGroup private var options: KeyringOptions

    @Option(name: .long, help: ArgumentHelp("How many may redeem it.", valueName: "n")) private var uses = 1

    @Option(
        name: .long, help: ArgumentHelp("When it ends: 7d, 12h, 30m, never. Default: 7d.", valueName: "time"),
        transform: Parsing.lifetime)
    private var expires = Lifetime.lasting(DurationText(seconds: 7 * 86_400))

    @Option(name: .long, help: ArgumentHelp("Whom it is for.", valueName: "text")) private var label = ""

    @Option(
        name: .long, help: ArgumentHelp("Where others reach this portal.", valueName: "host:port"),
        transform: Parsing.netAddress)
    private var publicHost: NetAddress?

    @Flag(name: .long, help: "Print JSON.") private var json = false

    func run() async throws {
        let now = WallClock.seconds()
        let end = expires.end(from: now)
        try await PolicyWriting(options).write { opened, author in
            let address = PeerAddress(net: try await place(opened), key: opened.identity.publicKey)
            let seed = try SecretKey.random()
            let wanted = try MemberInvites.draft(
                label: label, uses: uses, expiry: end, seed: seed, now: now)
            try await author.make(wanted.change)
            let code = PortalInvite(portal: address, seed: seed).encoded()
            let line = json ? self.json(code, wanted.key, end, address).description : code
            do throws(CommandFailure) {
                try CodeDelivery.print(line, isJSON: json)
            } catch {
                try await CodeDelivery.withdraw(after: error) {
                    try await author.make(.revocation(wanted.key))
                }
            }
        }
        guard !json else { return }
        let words = end.map { "until \(TimeText.text($0))" } ?? "for ever"
        CommandEnvironment.current.note(
            """
            May be redeemed \(uses == 1 ? "once" : "\(uses) times"), \(words). Its reader runs `cway portals add` and \
            pastes it when asked.
            """)
    }

    private func json(
        _ code: String, _ invite: InviteKey, _ end: UInt64?, _ portal: PeerAddress
    ) -> JSONValue {
        [
            "id": .string(invite.publicKey.id), "code": .string(code), "label": .string(label),
            "uses": .count(uses), "expires": .time(end), "portal": .string("\(portal)"),
        ]
    }

    private func place(_ opened: OpenedKeyring) async throws(CommandFailure) -> NetAddress {
        if let publicHost { return publicHost }
        let common = options.common
        let settings = try await common.settings(in: opened.home, flags: common.flags).settings
        for listen in settings.listen {
            if let host = settings.publicHost ?? listen.dialledHost,
                let net = try? NetAddress(host: host, port: listen.port)
            {
                return net
            }
        }
        throw CommandFailure(
            .usage, "an invite says where others reach this portal: give --public-host HOST:PORT")
    }
}

/// `cway portal invites`.
struct PortalInvitesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "invites",
        abstract: "List and revoke the invites to this portal.",
        discussion: """
            EXAMPLES
              cway portal invites
              cway portal invites revoke "Anna's server"
            """,
        subcommands: [PortalInvitesListCommand.self, PortalInvitesRevokeCommand.self],
        defaultSubcommand: PortalInvitesListCommand.self)
}
