internal import ArgumentParser
internal import Keyring
internal import Node

/// `cway keyring`: the file with friends, invites, portals and keys.
struct KeyringCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keyring",
        abstract: "Check, back up and restore the keyring.",
        discussion: """
            The keyring is two files in the home folder, keyring.mdb and keyring.vault. It is no use without the \
            identity in the file 'secret', of which a copy is kept apart.

            EXAMPLES
              cway keyring check
              cway keyring backup /mnt/usb/keyring-2026-11-23
              cway keyring restore /mnt/usb/keyring-2026-11-23
            """,
        subcommands: [KeyringCheckCommand.self, KeyringBackupCommand.self, KeyringRestoreCommand.self])
}

/// `cway keyring backup`.
struct KeyringBackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Copy the keyring to a file, also while a node runs.",
        discussion: """
            The copy is marked as one: nothing serves from it until `cway keyring restore`. Without the vault, which is \
            not in it, it opens no addresses; who your friends are can be read in it, so keep it where others do not \
            look. An existing file is not overwritten.

            EXAMPLES
              cway keyring backup /mnt/usb/keyring-2026-11-23
            """)

    @OptionGroup private var options: KeyringOptions
    @Argument(help: ArgumentHelp("The file to make.", valueName: "file")) private var file: String

    func run() async throws {
        guard let opened = try options.openIfPresent(for: .reading) else {
            throw CommandFailure.noKeyringYet("back up")
        }
        try opened.perform { (keyring) throws(KeyringError) in
            try keyring.backup(to: file, now: WallClock.seconds())
        }
        try CommandEnvironment.current.print("backed up to \(file)")
    }
}
