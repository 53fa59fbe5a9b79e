internal import ArgumentParser

/// `cway friend`: who may reach this node, and whom it reaches.
struct FriendCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "friend",
        abstract: "List, show, allow, rename and remove friends.",
        discussion: """
            A friend is somebody who may reach this node (they redeemed an invite of yours), or whom this node \
            reaches (you redeemed one of theirs), or both. Names are yours alone; ids (@….ed25519) do as well. \
            A node that runs follows changes within a second.

            EXAMPLES
              cway friend list
              cway friend allow anna --service ssh --service web
              cway friend remove anna
            """,
        subcommands: [
            FriendListCommand.self, FriendShowCommand.self, FriendAllowCommand.self, FriendRenameCommand.self,
            FriendRemoveCommand.self,
        ],
        defaultSubcommand: FriendListCommand.self)
}

/// The argument that names a friend.
struct FriendArgument: ParsableArguments, Sendable {
    @Argument(help: ArgumentHelp("The friend's name or id.", valueName: "name"))
    var name: String
}
