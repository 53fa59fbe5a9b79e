internal import ArgumentParser
internal import Blinding
internal import Keyring
internal import Multiserver
internal import MuxRPC
internal import Node

/// `cway invite`: lets others become friends.
struct InviteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "invite",
        abstract: "Make, list and revoke invites: one line of text that makes its reader a friend.",
        discussion: """
            EXAMPLES
              cway invite create --label anna --service ssh
              cway invite list
              cway invite revoke anna
            """,
        subcommands: [InviteCreateCommand.self, InviteListCommand.self, InviteRevokeCommand.self])
}

/// `cway invite list`.
struct InviteListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the invites that are open, or were within the last 30 days.",
        discussion: """
            JSON is an array of {"id", "label", "state", "uses", "usesLeft", "services", "created", "expires", \
            "closed"}; the state is open, used up, revoked or expired; services are null for all of instance 0, \
            times null for never.

            EXAMPLES
              cway invite list
              cway invite list --json | jq -r '.[] | select(.state == "open") | .label'
            """)

    @OptionGroup private var options: KeyringOptions
    @Flag(name: .long, help: "Print JSON.") private var json = false

    func run() async throws {
        let (environment, opened) = (CommandEnvironment.current, try options.openIfPresent(for: .reading))
        let invites =
            try opened?.perform { (keyring) throws(KeyringError) in try keyring.invites.all() } ?? []
        let now = WallClock.seconds()
        if json {
            return try environment.print(
                json: JSONValue.array(invites.map { Self.json($0, now) }).description)
        }
        guard !invites.isEmpty else {
            return environment.note("no invites: make one with `cway invite create`")
        }
        var table = TextTable("LABEL", "ID", "LEFT", "SERVICES", "EXPIRES", "STATE")
        for invite in invites {
            table.add(
                invite.label, String(invite.key.publicKey.id.prefix(InviteReference.shownCharacterCount)),
                "\(invite.usesLeft)/\(invite.uses)", invite.services.words,
                invite.expiry.map(TimeText.text) ?? "never", invite.closing(at: now).words)
        }
        try environment.print(table.text)
    }

    private static func json(_ invite: InviteRecord, _ now: UInt64) -> JSONValue {
        [
            "id": .string(invite.key.publicKey.id), "label": .string(invite.label),
            "state": .string(invite.closing(at: now).words), "uses": .count(invite.uses),
            "usesLeft": .count(invite.usesLeft), "services": invite.services.json,
            "created": .time(invite.createdAt), "expires": .time(invite.expiry),
            "closed": .time(invite.closing(at: now)?.at),
        ]
    }
}

extension Closing? {
    /// The state of an invite in words, for people and for programs.
    var words: String {
        switch self?.reason {
        case nil: "open"
        case .usedUp: "used up"
        case .revoked: "revoked"
        case .expired: "expired"
        }
    }
}

/// `cway invite revoke`.
struct InviteRevokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "Take an invite back; who came by it stays a friend.",
        discussion: """
            EXAMPLES
              cway invite revoke anna
              cway invite revoke @gA3x
            """)

    @OptionGroup private var options: KeyringOptions

    @Argument(help: ArgumentHelp("The invite: its label, or the beginning of its id.", valueName: "invite"))
    private var invite: String

    func run() async throws {
        let opened = try options.openIfPresent(for: .changing)
        let invites =
            try opened?.perform { (keyring) throws(KeyringError) in try keyring.invites.all() } ?? []
        let found = try InviteReference.one(
            of: invites.map { ($0.key, $0.label, $0.closing) }, named: invite, list: "cway invite list")
        let isClosed = try opened?.perform { (keyring) throws(KeyringError) in
            try keyring.invites.revoke(found.key, now: WallClock.seconds())
        }
        let name = InviteReference.name(found.key, found.label)
        try CommandEnvironment.current.print(
            isClosed == true ? "revoked \(name)" : "\(name) was closed already: \(found.closing.words)")
    }
}

/// How people name an invite: by its label, or by the beginning of its id.
enum InviteReference {
    /// How much of an id a list shows: enough to tell a few hundred apart.
    static let shownCharacterCount = 9

    typealias Candidate = (key: InviteKey, label: String, closing: Closing?)

    /// The one invite that is meant; open ones count first, so that a label may be used again.
    ///
    /// - Throws: ``CommandFailure`` with ``ExitStatus/notFound``, or ``ExitStatus/usage`` where several are meant.
    static func one(
        of invites: [Candidate], named text: String, list: String
    ) throws(CommandFailure) -> Candidate {
        let text = text.trimmed
        let matching = invites.filter { invite in
            !text.isEmpty && invite.label == text
                || text.hasPrefix("@") && text.utf8.count > 1 && invite.key.publicKey.id.hasPrefix(text)
        }
        let open = matching.filter { $0.closing == nil }
        let meant = open.isEmpty ? matching : open
        guard let invite = meant.first else {
            throw CommandFailure(.notFound, "no invite here is '\(text)': look at `\(list)`")
        }
        guard meant.count == 1 else {
            throw CommandFailure(
                .usage, "'\(text)' means \(meant.count) invites: name one by more of its id, see `\(list)`")
        }
        return invite
    }

    /// The invite for people.
    static func name(_ key: InviteKey, _ label: String) -> String {
        let id = key.publicKey.id.prefix(shownCharacterCount)
        return label.isEmpty ? "the invite \(id)…" : "the invite for \(label.printableLine) (\(id)…)"
    }
}
