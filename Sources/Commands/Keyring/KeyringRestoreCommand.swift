internal import ArgumentParser
internal import Blinding
internal import Keyring
internal import Multiserver
internal import Node
internal import TypedSodium

/// `cway keyring restore`.
struct KeyringRestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Restore the keyring from a backup, or make one that is marked as a copy usable in place.",
        discussion: """
            What happened after the backup is unknown to it, so all invites are revoked, this node's addresses get \
            another key, and you are asked of each friend whether they still are one. Without a terminal, say it with \
            one of the --keep options. No node may serve from this home meanwhile.

            EXAMPLES
              cway keyring restore /mnt/usb/keyring-2026-11-23
              cway keyring restore /mnt/usb/keyring-2026-11-23 --keep anna --keep laptop
              cway keyring restore --keep-all
            """)

    @OptionGroup private var common: CommonOptions

    @Argument(
        help: ArgumentHelp("The backup. Default: the keyring that is in the home folder.", valueName: "file"))
    private var file: String?

    @Option(
        name: .long,
        help: ArgumentHelp("A friend to keep, and no others; may be repeated.", valueName: "name"))
    private var keep: [String] = []

    @Flag(name: .long, help: "Keep all friends.") private var keepAll = false
    @Flag(name: .long, help: "Keep no friend.") private var keepNone = false
    @Flag(name: .long, help: "Also where there is a keyring that works, which is replaced.") private
        var force = false

    func validate() throws {
        guard [!keep.isEmpty, keepAll, keepNone].count(where: { $0 }) <= 1 else {
            throw ValidationError("Give one of --keep NAME, --keep-all and --keep-none.")
        }
    }

    func run() async throws {
        let home = try common.preparedHome()
        guard file != nil || !home.hasNoKeyringYet else {
            throw CommandFailure(
                .notFound,
                "there is no keyring yet, so there is nothing to restore in place: name the backup, "
                    + "`cway keyring restore FILE`")
        }
        let identity = try common.identity(in: home).identity
        guard keepAll || keepNone || !keep.isEmpty || CommandEnvironment.current.isInteractive else {
            throw CommandFailure(
                .usage,
                "nobody can be asked who still is a friend: give --keep NAME for each, --keep-all or --keep-none"
            )
        }
        if !force { try refuseToReplace(in: home, identity) }
        let report: RestoreReport
        do throws(KeyringError) {
            report = try Restore.run(
                from: file, into: home.path, owner: EndpointKey(identity.publicKey), keeping: isKept,
                naming: keep, now: WallClock.seconds())
        } catch {
            throw CommandFailure(error)
        }
        try tell(report)
    }

    /// A keyring that works is the newest there is: replacing it loses what a backup does not know.
    private func refuseToReplace(in home: Home, _ identity: Identity) throws(CommandFailure) {
        guard
            let keyring = try? Keyring(
                folder: home.path, owner: EndpointKey(identity.publicKey), now: WallClock.seconds(),
                ifMissing: .fail),
            !keyring.isCopy
        else { return }
        throw CommandFailure(
            .usage,
            "the keyring in \(home.path) works, and restoring would replace it: give --force if that is meant"
        )
    }

    private func isKept(_ friend: Friend) -> Bool {
        if keepAll || keepNone { return keepAll }
        guard keep.isEmpty else { return keep.contains(friend.name) || keep.contains(friend.key.id) }
        let seen = friend.lastSeen.map { "last seen \(TimeText.text($0))" } ?? "never seen"
        return CommandEnvironment.current.isConfirmed(
            "Is \(friend.name) (\(friend.key.id), \(seen)) still a friend?")
    }

    private func tell(_ report: RestoreReport) throws(CommandFailure) {
        let environment = CommandEnvironment.current
        try environment.print(
            "restored; friends kept: \(report.kept.count), dropped: \(report.removed.count)")
        for friend in report.removed { try environment.print("dropped \(friend.name) \(friend.key.id)") }
        environment.note(
            """
            Invites that were revoked: \(report.revokedInviteCount). Make others with `cway invite create`.
            This node's addresses are others from now on: publish those of `cway address`. Friends fetch the new key \
            by themselves at their next connect.
            """)
        for friend in report.lostJoins {
            environment.note(
                "The invite of \(friend.name) was not redeemed yet and is lost: ask for another one.")
        }
    }
}
