internal import ArgumentParser
internal import Keyring
internal import Multiserver
internal import Node
internal import TypedSodium

/// `cway friend allow`.
struct FriendAllowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "allow",
        abstract: "Say what a friend may open, or let somebody in by id.",
        discussion: """
            What is said replaces what was said before: connections to services that are not named any more end. \
            Somebody who is let in by id needs no invite, and has to be told where this node is: `cway address`.

            EXAMPLES
              cway friend allow anna --service ssh --service web
              cway friend allow anna --all
              cway friend allow anna --service web --service 1/ssh
              cway friend allow @ID.ed25519 --name laptop --all
            """)

    @OptionGroup private var options: KeyringOptions
    @OptionGroup private var argument: FriendArgument

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A service that the friend may open; may be repeated. 1/ssh is ssh of instance 1, 1/* all of that instance.",
            valueName: "name"),
        transform: Parsing.grantedService)
    private var service: [String] = []

    @Flag(name: .customLong("all"), help: "All services of instance 0, also later ones.") private var all =
        false

    @Option(
        name: .customLong("name"),
        help: ArgumentHelp("What to call somebody who is let in by id.", valueName: "name"))
    private var friendName: String?

    func validate() throws {
        guard all || !service.isEmpty else {
            throw ValidationError("Give either --all or --service NAME, once for each.")
        }
        guard !all || !service.contains(where: { !$0.contains("/") }) else {
            throw ValidationError("Give either --all or --service NAME: beside --all only those like 1/ssh.")
        }
    }

    func run() async throws {
        let opened = try options.open()
        let services = ServiceGrant.services(service + (all ? [ServiceName.all] : []))
        let friend: Friend
        if let known = try FriendReference.find(argument.name, in: opened) {
            friend = try change(known, services, opened)
        } else if let key = try? PublicKey(id: CodeText.name(in: argument.name)) {
            friend = try admit(key, services, opened)
        } else {
            throw CommandFailure(
                .notFound, "no friend here is '\(argument.name)': look at `cway friend list`, or give an id")
        }
        try CommandEnvironment.current.print("\(friend.name) may open: \(services.words)")
    }

    private func change(
        _ friend: Friend, _ services: ServiceGrant, _ opened: OpenedKeyring
    ) throws(CommandFailure) -> Friend {
        guard friendName == nil || friendName == friend.name else {
            throw CommandFailure(
                .usage,
                "\(friend.name) has a name already: change it with `cway friend rename \(friend.name) NEW`")
        }
        guard friend.admission != nil else { return try admit(friend.key, services, opened) }
        try opened.perform { (keyring) throws(KeyringError) in
            try keyring.friends.allow(friend.key, services: services)
        }
        return friend
    }

    private func admit(
        _ key: PublicKey, _ services: ServiceGrant, _ opened: OpenedKeyring
    ) throws(CommandFailure) -> Friend {
        let friend = try opened.perform { (keyring) throws(KeyringError) in
            try keyring.friends.admit(key, name: friendName, services: services, now: WallClock.seconds())
        }
        CommandEnvironment.current.note("\(friend.name) may reach this node from now on")
        return friend
    }
}
