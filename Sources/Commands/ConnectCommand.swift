public import ArgumentParser
internal import Glibc
internal import Logging
internal import Multiserver
internal import NIOCore
internal import Node
internal import Sodium

/// `cway connect`: uses a friend's service.
public struct ConnectCommand: AsyncParsableCommand {
    /// What ArgumentParser needs to know.
    public static let configuration = CommandConfiguration(
        commandName: "connect",
        abstract: "Use a friend's service: as a local port, or on standard input and output.",
        discussion: """
            With --listen, prints the local port once a first session stands, and keeps it through restarts of the \
            portal and the target: open connections end, new ones wait and work. With --stdio, transfers until both \
            sides have said all, which is what ssh expects of a ProxyCommand.

            EXAMPLES
              cway connect tunnel:@P…:@T…:0~shs:T… --portal net:portal.example.org:8008~shs:P… web --listen localhost:8080
              ssh -o ProxyCommand='cway connect tunnel:… --portal net:… ssh --stdio' me@home
              cway connect tunnel:… --portal net:… ssh --ssh-config >> ~/.ssh/config

            The exit codes 10 to 17 name the hop that failed; see 'cway --help'.
            """)

    @OptionGroup private var common: CommonOptions
    @OptionGroup private var serving: ServingOptions
    @OptionGroup private var dial: DialOptions

    @Argument(
        help: ArgumentHelp("The tunnel address that the friend's 'cway serve' prints.", valueName: "address"),
        transform: DialOptions.address)
    private var address: Address

    @Argument(help: ArgumentHelp("The name of the service.", valueName: "name"))
    private var service: String

    @Option(
        name: .long,
        help: ArgumentHelp("Forward this local port; port 0 is any free one.", valueName: "host:port"),
        transform: Parsing.listenAddress)
    private var listen: ListenAddress?

    @Flag(name: .long, help: "Transfer standard input and output.")
    private var stdio = false

    @Flag(name: .long, help: "Print the lines for ~/.ssh/config, and dial nothing.")
    private var sshConfig = false

    /// Made by ArgumentParser.
    public init() {}

    /// Exactly one of the three ways.
    public func validate() throws {
        guard [listen != nil, stdio, sshConfig].count(where: { $0 }) == 1 else {
            throw ValidationError("Give one of --listen HOST:PORT, --stdio and --ssh-config.")
        }
    }

    /// Forwards until a signal, transfers until the end, or prints the lines.
    public func run() async throws {
        let plan = try await dial.plan(to: address, common)
        if let listen {
            try await forward(from: listen, plan)
        } else if stdio {
            try await transfer(plan)
        } else {
            try Surroundings.current.print(sshLines(plan))
        }
    }

    private func forward(from listen: ListenAddress, _ plan: DialPlan) async throws {
        let surroundings = Surroundings.current
        try await Serving.run(threads: 1, logger: plan.logger, serving) { group in
            [
                ForwardService(
                    from: listen, to: service, caller: plan.caller, route: plan.route, on: group.next(),
                    logger: plan.logger
                ) { try surroundings.print($0.hostAndPort) }
            ]
        }
    }

    private func transfer(_ plan: DialPlan) async throws {
        let service = service
        try await Dialled.run(plan) { connection in
            try await PipeService(to: service, over: connection).run(
                input: STDIN_FILENO, output: STDOUT_FILENO)
        }
    }

    /// What goes into ssh's configuration: the same command with --stdio.
    ///
    /// The alias is the id without its `@`, which in a known_hosts file would begin a marker.
    private func sshLines(_ plan: DialPlan) -> String {
        var words = ["cway", "connect", "\(address)", service, "--stdio"]
        if case .tunnel(_, let portal) = plan.route { words += ["--portal", "\(portal)"] }
        if let home = common.home { words += ["--home", home] }
        if let network = common.network { words += ["--network", network.text] }
        if dial.showsRealID { words.append("--real-id") }
        let command = words.map(Self.quoted).joined(separator: " ")
        return """
            Host \(service)-at-\(plan.route.target.id.dropFirst().prefix(8).filter { $0.isLetter || $0.isNumber })
                HostKeyAlias \(plan.route.target.id.dropFirst())
                ProxyCommand \(command)
            """
    }

    /// For the shell that ssh runs the command in; and ssh itself takes `%` for the start of a token.
    private static func quoted(_ word: String) -> String {
        let escaped = word.replacing("'", with: "'\\''").replacing("%", with: "%%")
        return "'\(escaped)'"
    }
}
