internal import ArgumentParser
internal import Keyring
internal import Multiserver
internal import MuxRPC

/// `cway friend list`.
struct FriendListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List everybody in the keyring.",
        discussion: """
            JSON is an array of {"name", "id", "admission", "reach", "lastSeen"}. The admission is null for those who \
            may not reach this node, else {"services", "invite", "since", "invites", "invitesComplete"}; services are null \
            for all of instance 0, for which "*" stands beside others; the invites are all that admitted them, or those \
            known where the list is not complete. The reach is null for those whom this node cannot reach, else \
            {"name", "pending", "resolves", "portals"}, each portal {"address", "hidden"}.

            EXAMPLES
              cway friend list
              cway friend list --json | jq -r '.[] | select(.admission) | .name'
            """)

    @OptionGroup private var options: KeyringOptions
    @Flag(name: .long, help: "Print JSON.") private var json = false

    func run() async throws {
        let (environment, opened) = (CommandEnvironment.current, try options.openIfPresent(for: .reading))
        let friends =
            try opened?.perform { (keyring) throws(KeyringError) in try keyring.friends.all() } ?? []
        if json {
            return try environment.print(json: JSONValue.array(friends.map(\.json)).description)
        }
        guard !friends.isEmpty else {
            return environment.note(
                "no friends yet: invite one with `cway invite create`, or redeem an invite with `cway join`")
        }
        var table = TextTable("NAME", "MAY OPEN", "REACHED", "LAST SEEN", "ID")
        for friend in friends {
            table.add(
                friend.name, friend.admission?.services.words ?? "", friend.reachWords,
                friend.lastSeen.map(TimeText.text) ?? "never", friend.key.id)
        }
        try environment.print(table.text)
    }
}

/// `cway friend show`.
struct FriendShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show all that is known of a friend.",
        discussion: """
            JSON is the friend's element of `cway friend list --json`.

            EXAMPLES
              cway friend show anna
            """)

    @OptionGroup private var options: KeyringOptions
    @OptionGroup private var argument: FriendArgument
    @Flag(name: .long, help: "Print JSON.") private var json = false

    func run() async throws {
        let friend = try FriendReference.friend(argument.name, in: options.openIfPresent(for: .reading))
        try CommandEnvironment.current.print(json ? friend.json.description : friend.facts, isJSON: json)
    }
}
