internal import ArgumentParser

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
