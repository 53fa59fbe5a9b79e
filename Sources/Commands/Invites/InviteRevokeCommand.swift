internal import ArgumentParser
internal import Blinding
internal import Keyring
internal import Multiserver
internal import Node

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
