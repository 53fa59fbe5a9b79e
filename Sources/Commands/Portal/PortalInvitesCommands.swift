internal import ArgumentParser
internal import Blinding
internal import Keyring
internal import Multiserver
internal import MuxRPC
internal import Node

/// `cway portal invites list`.
struct PortalInvitesListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the invites that are open, or were within the last 30 days.",
        discussion: """
            JSON is an array of {"id", "label", "state", "uses", "usesLeft", "created", "expires", "closed"}, as in \
            `cway invite list`.

            EXAMPLES
              cway portal invites list --json
            """)

    @OptionGroup private var options: KeyringOptions
    @Flag(name: .long, help: "Print JSON.") private var json = false

    func run() async throws {
        let opened = try options.openIfPresent(for: .reading)
        let invites =
            try opened?.perform { (keyring) throws(KeyringError) in try Membership(keyring).invites.all() }
            ?? []
        let now = WallClock.seconds()
        if json {
            return try CommandEnvironment.current.print(
                json: JSONValue.array(invites.map { Self.json($0, now) }).description)
        }
        guard !invites.isEmpty else {
            return CommandEnvironment.current.note("no invites: make one with `cway portal invite`")
        }
        var table = TextTable("LABEL", "ID", "LEFT", "EXPIRES", "STATE")
        for invite in invites {
            table.add(
                invite.label, String(invite.key.publicKey.id.prefix(InviteReference.shownCharacterCount)),
                "\(invite.usesLeft)/\(invite.uses)", invite.expiry.map(TimeText.text) ?? "never",
                invite.closing(at: now).words)
        }
        try CommandEnvironment.current.print(table.text)
    }

    private static func json(_ invite: InviteRecord, _ now: UInt64) -> JSONValue {
        [
            "id": .string(invite.key.publicKey.id), "label": .string(invite.label),
            "state": .string(invite.closing(at: now).words), "uses": .count(invite.uses),
            "usesLeft": .count(invite.usesLeft), "created": .time(invite.createdAt),
            "expires": .time(invite.expiry), "closed": .time(invite.closing(at: now)?.at),
        ]
    }
}

/// `cway portal invites revoke`.
struct PortalInvitesRevokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "Take an invite back; who came by it stays a member.",
        discussion: """
            EXAMPLES
              cway portal invites revoke @gA3x
            """)

    @OptionGroup private var options: KeyringOptions

    @Argument(help: ArgumentHelp("The invite: its label, or the beginning of its id.", valueName: "invite"))
    private var invite: String

    func run() async throws {
        let (found, outcome) = try await PolicyWriting(options).write { opened, author in
            let invites = try opened.perform { (keyring) throws(KeyringError) in
                try Membership(keyring).invites.all()
            }
            let found = try InviteReference.one(
                of: invites.map { ($0.key, $0.label, $0.closing) }, named: invite,
                list: "cway portal invites")
            return (found, try await author.make(.revocation(found.key)))
        }
        let name = InviteReference.name(found.key, found.label)
        try CommandEnvironment.current.print(
            outcome == .made ? "revoked \(name)" : "\(name) was closed already: \(found.closing.words)")
    }
}
