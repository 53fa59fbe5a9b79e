internal import ArgumentParser
internal import Keyring
internal import Multiserver
internal import Node
internal import TypedSodium

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

/// How people name a friend: by the name they gave them, or by id.
enum FriendReference {
    /// The friend that is meant; `nil` for nobody in the keyring.
    ///
    /// - Throws: ``CommandFailure``.
    static func find(_ text: String, in opened: OpenedKeyring?) throws(CommandFailure) -> Friend? {
        let text = CodeText.name(in: text)
        return try opened?.perform { (keyring) throws(KeyringError) in
            if let friend = try keyring.friends.find(named: text) { return friend }
            guard let key = try? PublicKey(id: text) else { return nil }
            return try keyring.friends.find(key)
        } ?? nil
    }

    /// The friend that is meant.
    ///
    /// - Throws: ``CommandFailure`` with ``ExitStatus/notFound`` for nobody in the keyring.
    static func friend(_ text: String, in opened: OpenedKeyring?) throws(CommandFailure) -> Friend {
        guard let friend = try find(text, in: opened) else {
            throw CommandFailure(.notFound, "no friend here is '\(text.trimmed)': look at `cway friend list`")
        }
        return friend
    }
}
