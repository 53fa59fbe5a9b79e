package import ArgumentParser
internal import Glibc
internal import Keyring
internal import Logging
internal import Multiserver
internal import NIOCore
internal import Node
internal import TypedSodium

/// `cway connect`: uses a friend's service.
package struct ConnectCommand: AsyncParsableCommand {
    /// What ArgumentParser needs to know.
    package static let configuration = CommandConfiguration(
        commandName: "connect",
        abstract: "Use a friend's service: as a local port, or on standard input and output.",
        discussion: """
            With --listen, prints the local port once a first session stands. Where the portal or the target is not \
            there, at the start or later, it is dialled again after longer and longer pauses, and each state is said \
            once; meanwhile open connections end, and new ones wait up to 30 s for the next session. It ends when the \
            target does not offer the service at the start, or has removed this node from its friends. With --stdio, \
            transfers until both sides have said all, which is what ssh expects of a ProxyCommand; it dials once, or \
            for 5 s where it may have met a limit.

            EXAMPLES
              cway connect anna web --listen 8080
              cway connect home ssh --ssh-config --user me >> ~/.ssh/config
              cway connect home 1/ssh --ssh-config
              ssh -o ProxyCommand='cway connect home ssh --stdio' me@home
              cway connect tunnel:@P…:@T…:0~shs:T… --portal net:portal.example.org:8008~shs:P… web --listen 8080

            The exit codes 10 to 17 name the hop that failed; see 'cway --help'.
            """)

    @OptionGroup private var options: KeyringOptions
    @OptionGroup private var serving: ServingOptions
    @OptionGroup private var dial: DialOptions

    @Argument(help: DialOptions.targetHelp)
    private var target: String

    @Argument(
        help: ArgumentHelp(
            "The name of the service; 1/ssh is ssh of the target's instance 1.", valueName: "name"),
        transform: Parsing.service(ofPeer:))
    private var service: ServiceName

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Forward this local port; port 0 is any free one, and a port alone is this machine's.",
            valueName: "host:port"),
        transform: Parsing.listenAddress)
    private var listen: ListenAddress?

    @Flag(name: .long, help: "With --listen: wait until the target offers the service.")
    private var wait = false

    @Flag(
        name: .long,
        help: "With --listen: never dial again; the first failure ends it, and so does the session's end.")
    private var once = false

    @Flag(name: .long, help: "Transfer standard input and output.")
    private var stdio = false

    @Flag(name: .long, help: "Print the lines for ~/.ssh/config, and dial nothing.")
    private var sshConfig = false

    @Option(
        name: .long,
        help: ArgumentHelp("With --ssh-config: the name to log in with.", valueName: "name"),
        transform: SSHLines.user)
    private var user: String?

    /// Made by ArgumentParser.
    package init() {}

    /// Exactly one of the three ways.
    package func validate() throws {
        guard [listen != nil, stdio, sshConfig].count(where: { $0 }) == 1 else {
            throw ValidationError("Give one of --listen PORT, --stdio and --ssh-config.")
        }
        guard user == nil || sshConfig else { throw ValidationError("--user belongs to --ssh-config.") }
        guard listen != nil || !(wait || once) else {
            throw ValidationError("--wait and --once are for --listen: leave them out.")
        }
    }

    /// Forwards until a signal, transfers until the end, or prints the lines.
    package func run() async throws {
        let plan = try await dial.plan(
            to: target, instance: service.instance == 0 ? nil : service.instance, options)
        if let listen {
            try await forward(from: listen, plan)
        } else if stdio {
            try await transfer(plan)
        } else {
            try CommandEnvironment.current.print(sshLines(plan))
        }
    }

    private func forward(from listen: ListenAddress, _ plan: DialPlan) async throws {
        var wish = ForwardService.Wish(service: service.name)
        (wish.waitsForOffer, wish.triesOnce) = (wait, once)
        try await Serving.run(threads: 1, logger: plan.logger, serving) { [wish] group in
            // Those of a command that serves, whose results wait for no reader.
            let environment = CommandEnvironment.current
            return [
                ForwardService(
                    from: listen, to: wish, dialler: plan.dialler, on: group.next(), logger: plan.logger
                ) { try environment.print($0.hostAndPort) }
            ]
        }
    }

    private func transfer(_ plan: DialPlan) async throws {
        let service = service.name
        try await Dialled.run(plan) { connection in
            try await PipeService(to: service, over: connection).run(
                input: STDIN_FILENO, output: STDOUT_FILENO)
        }
    }

    /// What goes into ssh's configuration: the same command with --stdio.
    ///
    /// A friend goes by name, because blinded addresses hold for days only.
    private func sshLines(_ plan: DialPlan) throws -> String {
        let destination = plan.dialler.destination
        let named = ServiceName(service.name, at: destination.instance)
        var (words, host) = (["cway", "connect"], String(destination.target.id.dropFirst().prefix(8)))
        switch destination {
        case .peer(let peer): words += ["\(peer)", service.name, "--stdio"]
        case .announced(let tunnel, let portal):
            words += ["\(tunnel)", service.name, "--stdio", "--portal", "\(portal)"]
        case .friend(let key, _, _):
            let friend = try plan.dialler.keyring?.friends.find(key)
            host = friend?.name ?? host
            // By name the instance is said with the service, wherever it was said here.
            words += [friend?.name ?? key.id, named.description, "--stdio"]
            words += dial.portal.flatMap { ["--portal", "\($0)"] }
        }
        if let home = options.common.home { words += ["--home", home] }
        if let network = options.common.network { words += ["--network", network.text] }
        words += dial.showing.words + dial.local.words
        return SSHLines.text(host: host, service: named.description, user: user, command: words)
    }
}
