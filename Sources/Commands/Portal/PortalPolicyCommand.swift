internal import ArgumentParser
internal import Keyring
internal import Multiserver
internal import MuxRPC
internal import Node
internal import TypedSodium

/// `cway portal policy`.
struct PortalPolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy",
        abstract: "Say who may announce at this portal and call through it, or print it.",
        discussion: """
            Members are known by the key that they show to this portal: with `cway serve`, a pseudonym that their \
            `cway portals list` prints. Callers show a fresh key unless they say --identify. JSON is {"announce", \
            "call", "members", "denied"}: everyone or members, twice; a count; an array of ids.

            EXAMPLES
              cway portal policy
              cway portal policy --announce members --call everyone
            """)

    /// Whom a portal serves, as it is written.
    enum Who: String, CaseIterable, ExpressibleByArgument {
        case everyone, members

        init(_ audience: Audience) { self = audience == .members ? .members : .everyone }

        var audience: Audience { self == .members ? .members : .everyone }
    }

    @OptionGroup private var options: KeyringOptions

    @Option(name: .long, help: ArgumentHelp("Who may announce.", valueName: "who")) private var announce: Who?
    @Option(name: .long, help: ArgumentHelp("Who may call.", valueName: "who")) private var call: Who?
    @Flag(name: .long, help: "Print JSON.") private var json = false

    func run() async throws {
        let content: Content
        if announce != nil || call != nil {
            let change = PolicyChange.audiences(announcers: announce?.audience, callers: call?.audience)
            content = try await PolicyWriting(options).write { opened, author in
                _ = try await author.make(change)
                return try Content(of: opened)
            }
        } else {
            content = try Content(of: options.openIfPresent(for: .reading) ?? options.open())
        }
        try print(content)
    }

    /// What the keyring says.
    private struct Content: Sendable {
        let policy: AudiencePolicy
        let memberCount: Int
        let denied: [String]

        init(of opened: OpenedKeyring) throws(CommandFailure) {
            (policy, memberCount, denied) = try opened.perform { (keyring) throws(KeyringError) in
                (
                    try Membership(keyring).policy(), try Membership(keyring).all().count,
                    try Membership(keyring).denied().map(\.key.id)
                )
            }
        }
    }

    private func print(_ content: Content) throws {
        let policy = content.policy
        let (announcers, callers) = (Who(policy.announcers).rawValue, Who(policy.callers).rawValue)
        guard !json else {
            let document: JSONValue = [
                "announce": .string(announcers), "call": .string(callers),
                "members": .count(content.memberCount),
                "denied": .array(content.denied.map { .string($0) }),
            ]
            return try CommandEnvironment.current.print(json: document.description)
        }
        var lines = ["announce  \(announcers)", "call      \(callers)", "members   \(content.memberCount)"]
        lines += content.denied.map { "denied    \($0)" }
        try CommandEnvironment.current.print(lines.joined(separator: "\n"))
    }
}

/// `cway portal deny`.
struct PortalDenyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deny",
        abstract: "Serve a key in nothing any more, and close its connections.",
        discussion: """
            Whoever is denied may come back with another key, where everyone is served. Who is denied is in \
            `cway portal policy`. Of a portal on several machines it counts at once where a link reaches, also while NATS \
            is away.

            EXAMPLES
              cway portal deny @ID.ed25519
            """)

    @OptionGroup private var options: KeyringOptions
    @OptionGroup private var argument: IDArgument

    func run() async throws {
        let standing = try await PolicyWriting(options).deny(argument.id)
        try CommandEnvironment.current.print("denied \(argument.id.id)")
        guard case .urgent(let reason) = standing else { return }
        CommandEnvironment.current.note(
            """
            The log of this portal's machines does not have it yet (\(reason)). It counts here at once, and where a machine \
            that runs from this home has links; that machine writes it into the log as soon as it can.
            """)
    }
}

/// `cway portal allow`.
struct PortalAllowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "allow",
        abstract: "Serve a key again that was denied.",
        discussion: """
            EXAMPLES
              cway portal allow @ID.ed25519
            """)

    @OptionGroup private var options: KeyringOptions
    @OptionGroup private var argument: IDArgument

    func run() async throws {
        let outcome = try await PolicyWriting(options).write { _, author in
            try await author.make(.allowance(argument.id))
        }
        guard outcome == .made else {
            throw CommandFailure(.notFound, "\(argument.id.id) was not denied: see `cway portal policy`")
        }
        try CommandEnvironment.current.print("allowed \(argument.id.id)")
    }
}

/// The argument that is somebody's id.
struct IDArgument: ParsableArguments, Sendable {
    @Argument(help: ArgumentHelp("The id: @….ed25519.", valueName: "@id"), transform: Parsing.id)
    var id: PublicKey
}
