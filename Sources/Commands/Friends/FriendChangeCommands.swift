internal import ArgumentParser
internal import Keyring
internal import Node

/// `cway friend rename`.
struct FriendRenameCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rename",
        abstract: "Give a friend another name, which only you see.",
        discussion: """
            EXAMPLES
              cway friend rename friend-1f3a9c02 anna
            """)

    @OptionGroup private var options: KeyringOptions
    @OptionGroup private var argument: FriendArgument
    @Argument(
        help: ArgumentHelp("The name from now on: letters, digits, and . _ - in between.", valueName: "new"))
    private var chosenName: String

    func run() async throws {
        let opened = try options.openIfPresent(for: .changing)
        let friend = try FriendReference.friend(argument.name, in: opened)
        try opened?.perform { (keyring) throws(KeyringError) in
            try keyring.friends.rename(friend.key, to: chosenName)
        }
        try CommandEnvironment.current.print("\(friend.name) is \(chosenName) now")
    }
}
