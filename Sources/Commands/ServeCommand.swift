public import ArgumentParser
internal import Logging
internal import Multiserver
internal import Node
internal import Sodium

/// `cway serve`: runs an endpoint.
public struct ServeCommand: AsyncParsableCommand {
    /// What ArgumentParser needs to know.
    public static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Offer services of this machine to friends, through portals.",
        discussion: """
            Prints this node's tunnel address whenever a portal has taken its announcement; friends give it to \
            'cway connect'. Only those who are allowed get further than the handshake. The connection is dialled \
            again by itself whenever it is lost.

            EXAMPLES
              cway serve --portal net:portal.example.org:8008~shs:KEY= --service ssh=localhost:22 --allow @ID=.ed25519
              cway serve --portal … --service web=unix:/run/web.sock --allow-anyone
            """)

    @OptionGroup private var common: CommonOptions
    @OptionGroup private var serving: ServingOptions

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The address of a portal to announce at; several are served side by side.", valueName: "address"),
        transform: DialOptions.portal)
    private var portal: [PeerAddress] = []

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A service: its name, and the port or socket behind it; may be given several times.",
            valueName: "name=host:port|name=unix:path"),
        transform: Parsing.service)
    private var service: [ServiceSetting] = []

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The id of a friend who may connect; may be given several times.", valueName: "@id"),
        transform: Parsing.id)
    private var allow: [PublicKey] = []

    @Flag(name: .long, help: "Let anyone connect who knows this node's id and portal.")
    private var allowAnyone = false

    /// Made by ArgumentParser.
    public init() {}

    /// Serves until a signal.
    public func run() async throws {
        let home = try common.preparedHome()
        var flags = common.flags
        flags.portals = portal
        flags.services = service
        flags.allow = allow
        flags.allowAnyone = allowAnyone ? true : nil
        let (settings, logger) = try await common.settings(in: home, flags: flags)
        guard !settings.portals.isEmpty else {
            throw CommandFailure(
                .usage, "no portal: give --portal ADDRESS, the line that `cway portal` prints")
        }
        guard settings.allowAnyone || !settings.allow.isEmpty else {
            throw CommandFailure(
                .usage, "nobody may connect: give --allow @ID for each friend, or --allow-anyone")
        }
        let names = settings.services.map(\.name)
        guard Set(names).count == names.count else {
            throw CommandFailure(.usage, "two services have the same name: give each a name of its own")
        }
        let (identity, _) = try common.identity(in: home)
        try await Serving.run(threads: nil, logger: logger, serving) { group in
            settings.portals.map { portal in
                EndpointService(
                    .init(identity: identity, settings: settings), at: portal, group: group, logger: logger
                ) { address in
                    try Surroundings.current.print("\(address)")
                }
            }
        }
    }
}
