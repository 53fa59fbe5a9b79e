internal import ArgumentParser
internal import Blinding
internal import Keyring
internal import Multiserver
internal import MuxRPC
internal import Node
internal import TypedSodium

/// `cway portal members`.
struct PortalMembersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "members",
        abstract: "List, add and remove the members of this portal.",
        discussion: """
            EXAMPLES
              cway portal members
              cway portal members add @ID.ed25519 --label "Anna's server"
              cway portal members remove @ID.ed25519
            """,
        subcommands: [
            PortalMembersListCommand.self, PortalMembersAddCommand.self, PortalMembersRemoveCommand.self,
        ],
        defaultSubcommand: PortalMembersListCommand.self)
}

/// `cway portal members list`.
struct PortalMembersListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the members.",
        discussion: """
            JSON is an array of {"id", "label", "since", "invite"}; the invite is null for those added by id.

            EXAMPLES
              cway portal members list --json | jq -r '.[].id'
            """)

    @OptionGroup private var options: KeyringOptions
    @Flag(name: .long, help: "Print JSON.") private var json = false

    func run() async throws {
        let opened = try options.openIfPresent(for: .reading)
        let members =
            try opened?.perform { (keyring) throws(KeyringError) in try Membership(keyring).all() } ?? []
        if json {
            let list = members.map { member -> JSONValue in
                [
                    "id": .string(member.key.id), "label": .string(member.label),
                    "since": .time(member.since),
                    "invite": .text(member.invite?.publicKey.id),
                ]
            }
            return try CommandEnvironment.current.print(json: JSONValue.array(list).description)
        }
        guard !members.isEmpty else {
            return CommandEnvironment.current.note("no members: make an invite with `cway portal invite`")
        }
        var table = TextTable("LABEL", "SINCE", "CAME BY", "ID")
        for member in members {
            let way = member.invite.map {
                String($0.publicKey.id.prefix(InviteReference.shownCharacterCount))
            }
            table.add(member.label, TimeText.text(member.since), way ?? "id", member.key.id)
        }
        try CommandEnvironment.current.print(table.text)
    }
}

/// `cway portal members add`.
struct PortalMembersAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Make somebody a member by id, or give a member another label.",
        discussion: """
            EXAMPLES
              cway portal members add @ID.ed25519 --label "Anna's server"
            """)

    @OptionGroup private var options: KeyringOptions
    @OptionGroup private var argument: IDArgument
    @Option(name: .long, help: ArgumentHelp("Who it is, for you.", valueName: "text")) private var label = ""

    func run() async throws {
        try await PolicyWriting(options).write { _, author in
            _ = try await author.make(.member(argument.id, label: label))
        }
        try CommandEnvironment.current.print("member \(argument.id.id)")
    }
}

/// `cway portal members remove`.
struct PortalMembersRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "End somebody's membership; every invite that admitted them is revoked.",
        discussion: """
            Invites made before do not admit that key again; those that admitted it are revoked, so that nobody comes \
            back by them under another.

            EXAMPLES
              cway portal members remove @ID.ed25519
            """)

    @OptionGroup private var options: KeyringOptions
    @OptionGroup private var argument: IDArgument

    func run() async throws {
        let outcome = try await PolicyWriting(options).write { _, author in
            try await author.make(.removal(argument.id))
        }
        guard outcome != .unchanged else {
            throw CommandFailure(.notFound, "\(argument.id.id) is no member: see `cway portal members`")
        }
        try CommandEnvironment.current.print("removed \(argument.id.id)")
        guard case .removed(let removal) = outcome else { return }
        for closed in removal.invites {
            let others = closed.others.map { $0.label.isEmpty ? $0.key.id : $0.label }
            CommandEnvironment.current.note(
                RemovedWords.closed(
                    InviteReference.name(closed.invite.key, closed.invite.label), closed.invite.usesLeft,
                    of: closed.invite.uses, others: others))
        }
    }
}
