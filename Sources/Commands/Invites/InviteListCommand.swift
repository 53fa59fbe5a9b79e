internal import ArgumentParser
internal import Blinding
internal import Keyring
internal import Multiserver
internal import MuxRPC
internal import Node

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
