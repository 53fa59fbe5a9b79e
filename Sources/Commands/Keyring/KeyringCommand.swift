internal import ArgumentParser

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
