package import ArgumentParser
internal import Keyring
internal import Logging
internal import Multiserver
internal import NIOCore
internal import Node
internal import PortalCore
internal import Synchronization
internal import Transport
internal import TypedSodium
internal import Watching

/// `cway portal`: runs a portal, and says who may use it.
package struct PortalCommand: AsyncParsableCommand {
    /// What ArgumentParser needs to know.
    package static let configuration = CommandConfiguration(
        commandName: "portal",
        abstract: "Run a portal, through which nodes behind NATs are reached, and say who may use it.",
        discussion: """
            Without a subcommand it runs the portal; 'cway portal run --help' lists the options. The others change \
            what its keyring says of members and of those who are denied; a portal that runs from the same home \
            follows within a second.

            EXAMPLES
              cway portal --listen '*:8008' --public-host portal.example.org
              cway portal policy --announce members
              cway portal invite --label "Anna's server" --public-host portal.example.org:8008
              cway portal deny @ID.ed25519
            """,
        subcommands: [
            PortalRunCommand.self, PortalPolicyCommand.self, PortalInviteCommand.self,
            PortalInvitesCommand.self, PortalMembersCommand.self, PortalDenyCommand.self,
            PortalAllowCommand.self, ClusterCommand.self,
        ],
        defaultSubcommand: PortalRunCommand.self)

    /// Made by ArgumentParser.
    package init() {}
}

/// `cway portal run`, or `cway portal` with its options.
struct PortalRunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run a portal, through which nodes behind NATs are reached.",
        discussion: """
            Prints one line when it is ready: its address, which nodes give to --portal. The portal sees who connects \
            to whom and how much, never what. It stops in order at SIGINT or SIGTERM. Changes of its policy \
            ('cway portal policy', 'members', 'deny') count within a second. Limits in config.json are read again at \
            SIGHUP, where there is no terminal. A socket that a service manager hands over stands in the place of \
            --listen.

            EXAMPLES
              cway portal --listen '*:8008' --public-host portal.example.org
              cway portal --listen localhost:0        for trying things out, on any free port
            """)

    @OptionGroup private var options: KeyringOptions
    @OptionGroup private var serving: ServingOptions

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Where to listen; may be given several times. Port 0 is any free one.", valueName: "host:port"),
        transform: Parsing.listenAddress)
    private var listen: [ListenAddress] = []

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The name or IP address under which others reach this portal, for the printed address.",
            discussion: "Default: the host of --listen, or localhost where that is '*'.", valueName: "host"),
        transform: Parsing.host)
    private var publicHost: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Connections that one source address may have at most.",
            discussion: "Default: its share, which is all that others leave.", valueName: "n"))
    private var connectionsPerAddress: Int?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Handshakes that one source address may begin in a second at most.",
            discussion: "Default: its share of the time that there is for them.", valueName: "n"))
    private var handshakesPerSecond: Int?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Addresses of proxies, each of whose connections has to begin with a PROXY header; may be given several times.",
            discussion:
                "The address in the header counts, of nobody else. 'unix' is for Unix domain sockets.",
            valueName: "cidr"),
        transform: Parsing.addressRange)
    private var trustedProxy: [AddressRange] = []

    @OptionGroup private var memory: MemoryOptions
    @OptionGroup private var traffic: TrafficOptions
    @OptionGroup private var watching: WatchOptions
    @OptionGroup private var page: PageOptions
    @OptionGroup private var cluster: ClusterOptions

    @Flag(
        name: .long,
        help: ArgumentHelp(
            "Take each connection for a source of its own: for measuring many from one machine.",
            visibility: .hidden))
    private var countApart = false

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Write the first packets that are passed on to standard error.", valueName: "n",
            visibility: .hidden))
    private var showFrames = 0

    func run() async throws {
        let common = options.common
        let opened = try options.open(for: .serving)
        // One process serves from a home at a time, until the end of this: two that redeem the same invites and tidy the
        // same keys would each think itself the portal.
        let lock = try opened.servingLock()
        var flags = common.flags
        flags.listen = listen
        flags.publicHost = publicHost
        flags.limits = memory.limits
        flags.limits.connectionsPerAddress = connectionsPerAddress
        flags.limits.handshakesPerSecondPerAddress = handshakesPerSecond
        flags.limits.trustedProxies = trustedProxy
        traffic.add(to: &flags.limits)
        flags.watching = watching.settings
        page.add(to: &flags.watching)
        flags.cluster = cluster.settings
        let (settings, logger) = try await common.settings(in: opened.home, flags: flags)
        let sockets = try handedOver()
        guard !settings.listen.isEmpty || !sockets.isEmpty else {
            throw CommandFailure(.usage, "nowhere to listen: give --listen HOST:PORT, for example '*:8008'")
        }
        if sockets.isEmpty {
            warn(of: settings)
        } else if !settings.listen.isEmpty {
            logger.info("the sockets of the service manager count, and not what the settings say of listen")
        }
        let watchers = try WatchPlan(settings.watching)
        var configuration = PortalService.Configuration(identity: opened.identity, settings: settings)
        configuration.cluster = try ClusterPlan.of(settings.cluster)
        configuration.sockets = sockets
        configuration.countsSourcesApart = countApart
        configuration.keyring = opened.keyring
        configuration.traffic = trafficStore(in: opened.home, logger)
        if showFrames > 0 {
            let printer = FramePrinter(limit: showFrames)
            configuration.inspector = { printer.show($1, from: $0) }
        }
        let reload = SettingsReload(settings, logger: logger) { [flags] () async throws(CommandFailure) in
            try await common.readSettings(in: opened.home, flags: flags)
        }
        configuration.changes = reload.changes
        let source = PageSource(
            configuration.running,
            PortalOperator(opened.keyring, of: configuration.running, logger: logger),
            ProcessSizes.current(poolByteCount: settings.limits.memory?.byteCount))
        let shutdownTime = Serving.shutdownTime + (configuration.cluster?.drain ?? .zero)
        try await Serving.run(
            threads: nil, logger: logger, serving, reload: reload, shutdownTime: shutdownTime
        ) {
            [configuration] group in
            // They end from the last to the first: who watches the portal sees it end.
            [
                StatusService("portal", in: opened.home, group: group, logger: logger) {
                    [watch = configuration.watch, running = configuration.running] report in
                    report.portal = await watch.snapshot().map(PortalReport.init)
                    report.cluster = running.member.map { ClusterReport($0.snapshot) }
                }
            ] + watchers.services(for: Watched(configuration.running), group: group, logger: logger)
                + watchers.services(for: source, group: group, logger: logger) + [
                    PortalService(configuration, group: group, logger: logger) {
                        addresses in
                        for address in addresses { try CommandEnvironment.current.print("\(address)") }
                        ServiceManager.ofProcess.ready("accepts connections")
                    }
                ]
        }
        _ = consume lock
    }

    /// Where volumes are kept; without it they count from nothing at each start.
    private func trafficStore(in home: Home, _ logger: Logger) -> TrafficStore? {
        do throws(KeyringError) {
            return try TrafficStore(folder: home.path)
        } catch {
            logger.error(
                "what members have in this month is not kept over a restart",
                metadata: [
                    "reason": "\(error)",
                    "remedy": "stop the portal and remove \(TrafficStore.fileName) in its home",
                ])
            return nil
        }
    }

    /// The sockets that the service manager keeps for this portal.
    private func handedOver() throws(CommandFailure) -> [InheritedSocket] {
        do throws(InheritedSocketError) {
            return try ServiceManager.ofProcess.sockets.get()
        } catch {
            throw CommandFailure(.unexpected, error)
        }
    }

    /// Says so where the printed address is for others, and nobody else gets here; a proxy in front may be meant.
    private func warn(of settings: Settings) {
        let own: Set = ["localhost", "127.0.0.1", "::1"]
        guard let publicHost = settings.publicHost, !own.contains(publicHost),
            settings.listen.allSatisfy({ $0.host.map(own.contains) ?? false })
        else { return }
        CommandEnvironment.current.note(
            "cway: this portal listens for this machine alone: for others give --listen '*:\(settings.listen.first?.port ?? 8008)'"
        )
    }
}

extension Watched {
    /// A portal, as those see it who watch it.
    init(_ place: RunningPortal) {
        self.init(build: .ofProcess, isReady: { place.isReady }) { blur in
            let portal = place.portal.map { PortalFamilies.families(of: $0.metrics, blur) } ?? []
            let cluster = place.member.map { ClusterFamilies.families(of: ClusterReport($0.snapshot)) }
            return portal + (cluster ?? [])
        }
    }
}

/// Writes down what a portal passes on, up to a number of packets: for looking over the portal's shoulder.
///
/// One line per packet: `frame NUMBER SENDER BYTECOUNT HEXADECIMAL`.
final class FramePrinter: Sendable {
    private let limit: Int
    /// Taken while the command's own task runs: event loops do not know its environment.
    private let write = CommandEnvironment.current.complaints
    private let count = Mutex(0)

    init(limit: Int) { self.limit = limit }

    func show(_ body: ByteBuffer, from sender: PublicKey) {
        // Written under the lock, so that lines stand in the order of their numbers.
        count.withLock { count in
            guard count < limit else { return }
            count += 1
            let digits = Hexadecimal.text(of: body.readableBytesView)
            write("frame \(count) \(sender.id) \(body.readableBytes) \(digits)\n")
        }
    }
}
