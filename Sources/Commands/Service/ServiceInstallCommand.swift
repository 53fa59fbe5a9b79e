internal import ArgumentParser
internal import Multiserver
internal import Node

/// `cway service install`.
struct ServiceInstallCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "install",
        abstract: "Write a unit, start it, and have it start by itself from then on.",
        discussion: """
            What stands behind -- belongs to the command that runs, and is checked; settings that last are better off \
            in config.json. Once more, it changes what is installed. Of a user, units run from the first login to the \
            last logout, or always with `loginctl enable-linger`. JSON is {"done", "scope", "lingers", "steps"}, each \
            step {"write", "text"}, {"remove"} or {"run"}.

            EXAMPLES
              sudo cway service install portal --listen 443 -- --public-host portal.example.org
              cway service install connect web -- home web --listen 8080
              cway service install serve --dry-run
            """)

    @OptionGroup private var options: ServiceOptions

    @Option(
        name: .long,
        help: ArgumentHelp(
            "With portal: where it is reached, a port or HOST:PORT; may be given several times.",
            discussion: "Default: 8008.", valueName: "port"))
    private var listen: [String] = []

    @Flag(name: .long, help: "Print what would be done, and do nothing.")
    private var dryRun = false

    @Argument(
        parsing: .postTerminator, help: ArgumentHelp("What else the command is given.", valueName: "words"))
    private var words: [String] = []

    func validate() throws {
        guard listen.isEmpty || options.role == .portal else {
            throw ValidationError("--listen is for the portal; of connect it stands behind --.")
        }
        for place in listen { _ = try Parsing.listenAddress(place) }
        guard options.role != .connect || !words.isEmpty else {
            throw ValidationError("Say which port behind --, for example: -- home web --listen 8080")
        }
    }

    func run() async throws {
        try checkWords()
        let machine = try options.machine()
        if machine.isBooted, !dryRun { try options.requireSight() }
        var wish = ServicePlan.Wish(options.unit, instance: options.name)
        wish.listen = try listen.isEmpty ? nil : listen.map { try Self.streamPlace($0) }
        wish.arguments = words.isEmpty ? nil : words
        let plan: ServicePlan
        do throws(ServicePlan.Refusal) {
            plan = try ServicePlan.install(wish, in: machine.surroundings)
        } catch {
            throw CommandFailure(.usage, error)
        }
        try options.carryOut(plan, on: machine, dryRun: dryRun)
        guard machine.lingers == false else { return }
        CommandEnvironment.current.note(
            "cway: it runs while you are logged in; for always, run `loginctl enable-linger "
                + "\(machine.userName ?? "$USER")` (lingering: your units run from the start of the machine to its end)"
        )
    }

    /// Has the command itself look at the words, so that a mistake is seen now.
    private func checkWords() throws {
        do {
            switch options.role {
            case .portal: _ = try PortalRunCommand.parse(words)
            case .serve: _ = try ServeCommand.parse(InstanceOptions.completed(words))
            case .connect:
                guard words.contains(where: { $0.hasPrefix("--listen") }) else {
                    throw ValidationError("a unit has a port: give --listen PORT")
                }
                _ = try ConnectCommand.parse(words)
            }
        } catch {
            throw CommandFailure(
                .usage,
                "what stands behind -- is not for `cway \(options.role.rawValue)`: "
                    + CwayCommand.message(for: error))
        }
    }

    /// A place in the words of ListenStream=: a port alone is all addresses.
    private static func streamPlace(_ text: String) throws -> String {
        let address = try Parsing.listenAddress(text)
        if text.hasPrefix("*:") || UInt16(text) != nil { return "\(address.port)" }
        return address.description.replacing("localhost:", with: "127.0.0.1:")
    }
}
