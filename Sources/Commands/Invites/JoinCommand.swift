internal import ArgumentParser
internal import Blinding
internal import Invitation
internal import Keyring
internal import NIOCore
internal import NIOPosix
internal import Node

/// `cway join`.
struct JoinCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "join",
        abstract: "Redeem a friend's invite.",
        discussion: """
            Afterwards the friend's name can be used wherever an address can. Whatever breaks on the way, the same \
            command goes on from there.

            The code holds a secret. At a terminal it is asked for, and not shown; else it is read from standard input, \
            with whatever words are around it. Given as an argument it works as well, but then it stands in the \
            shell's history, and for a moment in the list of processes, where it is overwritten as soon as it is read.

            EXAMPLES
              cway join --name anna
              cway join --name anna < invite.txt

            EXIT CODES
              10, 11  the portal cannot be reached
              12      the friend is offline: run it again later
              18      the invite is used up, revoked or expired: ask for another one
              64      the code is not as it was printed
            """)

    @OptionGroup private var options: KeyringOptions
    @OptionGroup private var showing: ShownKeyOptions
    @OptionGroup private var local: LocalOptions

    @Argument(
        help: ArgumentHelp(
            "The code, or - as without it: to be asked, or read from standard input.", valueName: "code"))
    private var code: [String] = []

    @Option(
        name: .long,
        help: ArgumentHelp("What to call the friend. Default: a name made of their id.", valueName: "name"))
    private var name: String?

    func run() async throws {
        let pasted = try CommandEnvironment.current.secret(code, asking: "Invite code (not shown): ") {
            CodeText.invite(in: $0) != nil
        }
        let text = CodeText.invite(in: pasted) ?? pasted.trimmed
        try Self.check(text)
        let opened = try options.open()
        let common = options.common
        var flags = common.flags
        local.add(to: &flags)
        let (settings, logger) = try await common.settings(in: opened.home, flags: flags)
        let joiner = Joiner(
            identity: opened.identity, keyring: opened.keyring, settings: settings,
            outerKey: showing.outerKey, logger: logger)
        let name = name
        let friend = try await Interruption.run { eventLoop in
            try await joiner.join(try InviteCode(text), name: name, on: eventLoop)
        }
        try CommandEnvironment.current.print(friend.name)
        CommandEnvironment.current.note(
            """
            \(friend.name) is a friend now. What they offer you: cway call \(friend.name) service.list
            To use it: cway connect \(friend.name) SERVICE --listen 8080
            For ssh:   cway connect \(friend.name) ssh --ssh-config >> ~/.ssh/config, then: ssh USER@\(friend.name)
            """)
    }

    /// Refuses what is no code before anything is opened or dialled, and warns of one that seems to be over.
    private static func check(_ text: String) throws(CommandFailure) {
        guard text.hasPrefix(InviteCode.prefix) || !text.contains("~") else {
            throw CommandFailure(
                .usage, "this is an invite of a portal, not of a friend: run `cway portals add` with it")
        }
        do throws(InviteCodeError) {
            let code = try InviteCode(text)
            if let expiry = code.expiry, code.isExpired(atUnixSeconds: WallClock.seconds()) {
                CommandEnvironment.current.note(
                    "the invite expired at \(TimeText.text(expiry)) by this clock; the friend's clock decides: trying"
                )
            }
        } catch {
            throw CommandFailure(error == .outOfGuardedMemory ? .unexpected : .usage, error)
        }
    }
}
