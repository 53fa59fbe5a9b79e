package import ArgumentParser
internal import Glibc
internal import Keyring
internal import Logging
internal import Multiserver
internal import NIOCore
internal import Node
internal import TypedSodium
internal import Watching

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
    @OptionGroup private var battery: BatteryOptions

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
        let dialler = try await dial.dialler(
            to: target, instance: service.instance == 0 ? nil : service.instance,
            isOnBattery: battery.battery, options)
        if let listen {
            try await forward(from: listen, dialler)
        } else if stdio {
            try await transfer(dialler)
        } else {
            try CommandEnvironment.current.print(sshLines(dialler))
        }
    }

    private func forward(from listen: ListenAddress, _ dialler: Dialler) async throws {
        var wish = ForwardService.Wish(service: service.name)
        (wish.waitsForOffer, wish.triesOnce) = (wait, once)
        wish.isListening = {
            ServiceManager.ofProcess.ready("forwards its port; `cway status` says whether a session stands")
        }
        let (home, destination) = (try options.common.preparedHome(), dialler.destination)
        let name: String? =
            if case .friend(let key, _, _) = destination { try dialler.keyring?.friends.find(key)?.name } else
            { nil }
        let named = ServiceName(service.name, at: destination.instance).description
        try await Serving.run(threads: 1, logger: dialler.logger, serving) { [wish] group in
            // Those of a command that serves, whose results wait for no reader.
            let environment = CommandEnvironment.current
            return [
                StatusService("connect", in: home, group: group, logger: dialler.logger) {
                    [watch = wish.watch, id = dialler.caller.identity.publicKey] report in
                    var node = NodeReport(id: id.id)
                    node.forward = ForwardReport(
                        to: destination.target, called: name, named, await watch.snapshot())
                    report.node = node
                },
                ForwardService(
                    from: listen, to: wish, dialler: dialler, on: group.next(), logger: dialler.logger
                ) { try environment.print($0.hostAndPort) },
            ]
        }
    }

    private func transfer(_ dialler: Dialler) async throws {
        let service = service.name
        // At a terminal there is no end of the input to wait for.
        try await Interruption.run(endsWithInput: isatty(STDIN_FILENO) == 0) { eventLoop in
            try await dialler.withConnection(on: eventLoop) { connection in
                connection.learnManners(isOnBattery: dialler.caller.isOnBattery)
                try await PipeService(to: service, over: connection).run(
                    input: STDIN_FILENO, output: STDOUT_FILENO)
            }
        }
    }

    /// What goes into ssh's configuration: the same command with --stdio.
    ///
    /// A friend goes by name, because blinded addresses hold for days only.
    private func sshLines(_ dialler: Dialler) throws -> String {
        let destination = dialler.destination
        let named = ServiceName(service.name, at: destination.instance)
        var (words, host) = (["cway", "connect"], String(destination.target.id.dropFirst().prefix(8)))
        switch destination {
        case .peer(let peer): words += ["\(peer)", service.name, "--stdio"]
        case .announced(let tunnel, let portal):
            words += ["\(tunnel)", service.name, "--stdio", "--portal", "\(portal)"]
        case .friend(let key, _, _):
            let friend = try dialler.keyring?.friends.find(key)
            host = friend?.name ?? host
            // By name the instance is said with the service, wherever it was said here.
            words += [friend?.name ?? key.id, named.description, "--stdio"]
            words += dial.portal.flatMap { ["--portal", "\($0)"] }
        }
        if let home = options.common.home { words += ["--home", home] }
        if let network = options.common.network { words += ["--network", network.text] }
        words += dial.showing.words + dial.local.words + battery.words
        return SSHLines.text(host: host, service: named.description, user: user, command: words)
    }
}

/// What goes into ssh's configuration.
enum SSHLines {
    /// One entry, which `ssh HOST` uses.
    ///
    /// The alias keeps the host's key apart from those of other hosts, none of which is called so.
    static func text(host: String, service: String, user: String?, command: [String]) -> String {
        // Of other services of the same friend each has a name of its own: ssh takes the first entry of a name.
        let name = (service == "ssh" ? host : "\(host)-\(service.replacing("/", with: "-"))")
            .filter { $0.isLetter || $0.isNumber || "._-".contains($0) }
        let lines = [
            "Host \(name)", "HostKeyAlias \(name)", user.map { "User \($0)" },
            "ProxyCommand \(command.map(quoted).joined(separator: " "))",
        ]
        return lines.compactMap(\.self).joined(separator: "\n    ")
    }

    /// A name that ssh takes for nothing else.
    ///
    /// - Throws: `ValidationError`.
    @Sendable static func user(_ text: String) throws -> String {
        let isName = text.utf8.allSatisfy { (0x21..<0x7F).contains($0) && !"\"'#%\\=,".utf8.contains($0) }
        guard isName, !text.isEmpty, !text.hasPrefix("-") else {
            throw ValidationError("Write the name alone, like me.")
        }
        return text
    }

    /// For the shell that ssh runs the command in; and ssh itself takes `%` for the start of a token.
    private static func quoted(_ word: String) -> String {
        let escaped = word.replacing("'", with: "'\\''").replacing("%", with: "%%")
        return "'\(escaped)'"
    }
}
