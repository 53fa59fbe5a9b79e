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
        let opened = try options.openIfPresent()
        let friend = try FriendReference.friend(argument.name, in: opened)
        try opened?.perform { (keyring) throws(KeyringError) in
            try keyring.rename(friend.key, to: chosenName)
        }
        try Surroundings.current.print("\(friend.name) is \(chosenName) now")
    }
}

/// `cway friend remove`.
struct FriendRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Remove a friend, at once and in both directions.",
        discussion: """
            A node that runs closes the friend's sessions within two seconds, and portals know their token no more. \
            The invite they came by is revoked; those made before do not let them in again, later ones do. This \
            node's addresses get another key, which the other friends fetch by themselves at their next connect; \
            publish the new ones with `cway address`.

            EXAMPLES
              cway friend remove anna
            """)

    @OptionGroup private var options: KeyringOptions
    @OptionGroup private var argument: FriendArgument

    func run() async throws {
        let opened = try options.openIfPresent()
        let friend = try FriendReference.friend(argument.name, in: opened)
        try opened?.perform { (keyring) throws(KeyringError) in
            _ = try keyring.remove(friend.key, now: WallClock.seconds())
        }
        try Surroundings.current.print("removed \(friend.name)")
        guard let admission = friend.admission else { return }
        let others = try opened?.perform { (keyring) throws(KeyringError) in
            try keyring.friends().count { $0.admission != nil }
        }
        if admission.invite != nil { Surroundings.current.note("The invite they came by is revoked.") }
        Surroundings.current.note(
            """
            A node that runs closes their sessions within two seconds.
            This node's addresses are others from now on: publish those of `cway address`.
            """)
        if let others, others > 0 {
            Surroundings.current.note(
                "The access of the other \(others == 1 ? "friend" : "\(others) friends") renews by itself.")
        }
    }
}
