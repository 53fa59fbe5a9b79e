internal import ArgumentParser
internal import Keyring
internal import MuxRPC
internal import Node

/// `cway resolve`: what an address leads to.
struct ResolveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resolve",
        abstract: "Print the portal and the target of addresses, blinded or not; dials nothing.",
        discussion: """
            Prints the portal's address and the target's id, with a space between, one line for each address that this \
            keyring resolves. Of a plain tunnel address whose portal is not known here, the portal's id is printed.

            With --json, one object for each address: {"address", "status", "portal", "portalAddress", "target", \
            "instance", "reason"}; the status is resolved, unresolved or malformed; what is not known is null.

            EXAMPLES
              cway resolve tunnel:VALUE.circle1
              cway resolve - < addresses.txt
              cway resolve --json tunnel:VALUE.circle1 | jq -r .target

            EXIT CODES
              0  all are resolved; 3  one is not for this keyring; 2  one is no address
            """)

    @OptionGroup private var options: KeyringOptions
    @Flag(name: .long, help: "Print JSON, one line for each address.") private var json = false

    @Argument(
        help: ArgumentHelp(
            "Addresses, or - for one on each line of standard input, where # begins a comment.",
            valueName: "address"))
    private var addresses: [String]

    func validate() throws {
        guard !addresses.isEmpty else { throw ValidationError("Give an address, or - for standard input.") }
        guard addresses.count == 1 || !addresses.contains("-") else {
            throw ValidationError("Give either addresses or -.")
        }
    }

    func run() async throws {
        let (home, identity) = try options.owner()
        let keyring = try options.keyringIfPresent(of: identity, in: home, for: .reading)
        let common = options.common
        let settings = try await common.settings(in: home, flags: common.flags).settings
        var status = ExitStatus.success
        if addresses == ["-"] {
            let resolving = try Resolving(keyring, settings.portals, isForMany: true)
            while let line = try Surroundings.current.input() {
                // Lists have notes in them, and space between.
                let bare = CodeText.bare(line)
                if !bare.isEmpty, !bare.hasPrefix("#") { try show(line, resolving, &status) }
            }
        } else {
            let resolving = try Resolving(keyring, settings.portals, isForMany: addresses.count > 1)
            for text in addresses { try show(text, resolving, &status) }
        }
        // Every address has been answered: the code alone is left to say.
        if status != .success { throw status.exitCode }
    }

    /// How much is shown of what is not resolved; every address is shorter, and a file that is none may be longer.
    private static let shownCount = 400

    private func show(
        _ text: String, _ resolving: borrowing Resolving, _ status: inout ExitStatus
    ) throws(CommandFailure) {
        let text = CodeText.address(in: text) ?? text.trimmed
        let answer = try resolving.answer(to: text)
        switch answer {
        case .resolved: break
        case .malformed: status = .malformedAddress
        case .unresolved: if status == .success { status = .notForThisKeyring }
        }
        if json { return try Surroundings.current.print(json: answer.json(of: text).description) }
        switch answer {
        case .resolved(let found): try Surroundings.current.print(found.words)
        case .unresolved(let reason), .malformed(let reason):
            let shown = text.count > Self.shownCount ? "\(text.prefix(Self.shownCount))…" : text
            Surroundings.current.note("cway: \(shown.printableLine): \(reason)")
        }
    }
}
