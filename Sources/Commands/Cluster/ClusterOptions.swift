internal import ArgumentParser
internal import Multiserver
internal import Node

/// The options of a portal on many machines.
struct ClusterOptions: ParsableArguments {
    @Option(
        name: .customLong("cluster"),
        help: ArgumentHelp(
            "Be one of several machines of this portal: the servers of NATS, with commas.",
            discussion:
                "nats://HOST:PORT or tls://HOST:PORT; USER:PASSWORD@ or TOKEN@ in front of the host, or better "
                + "--cluster-credentials. All machines have the same identity.",
            valueName: "servers"),
        transform: Parsing.clusterServers)
    var servers: [[ClusterServer]] = []

    @Option(
        name: .customLong("cluster-listen"),
        help: ArgumentHelp("Where the other machines dial this one.", valueName: "host:port"),
        transform: Parsing.listenAddress)
    var listen: ListenAddress?

    @Option(
        name: .customLong("cluster-advertise"),
        help: ArgumentHelp(
            "What the other machines are told of that, where it is something else.", valueName: "host:port"),
        transform: Parsing.netAddress)
    var advertise: NetAddress?

    @Option(
        name: .customLong("cluster-tls-ca"),
        help: ArgumentHelp(
            "The certificates that NATS' servers' are signed with; the system's otherwise.",
            valueName: "file"),
        completion: .file())
    var authorityFile: String?

    @Option(
        name: .customLong("cluster-credentials"),
        help: ArgumentHelp(
            "How this machine shows NATS who it is: a .creds file, or the seed of an nkey.",
            valueName: "file"),
        completion: .file())
    var credentialsFile: String?

    @Option(
        name: .customLong("drain"),
        help: ArgumentHelp(
            "How long a machine that ends lets its endpoints and tunnels go on, at most.",
            discussion: "Default: \(ClusterSettings.standardDrain).", valueName: "seconds"))
    var drainSeconds: Int?

    /// What is given of the settings.
    var settings: ClusterSettings {
        var settings = ClusterSettings()
        settings.servers = servers.flatMap(\.self)
        settings.listen = listen
        settings.advertise = advertise
        settings.authorityFile = authorityFile
        settings.credentialsFile = credentialsFile
        settings.drainSeconds = drainSeconds
        return settings
    }
}

extension ClusterPlan {
    /// The plan of a portal's settings; `nil` where it is on one machine.
    ///
    /// - Throws: ``CommandFailure`` with ``ExitStatus/usage``, or ``ExitStatus/settingsUnusable`` for a file.
    static func of(_ settings: ClusterSettings) throws(CommandFailure) -> ClusterPlan? {
        guard settings.isOn else { return nil }
        do throws(ClusterPlanError) {
            return try ClusterPlan(settings)
        } catch {
            throw CommandFailure(
                error.isOfFile ? .settingsUnusable : .usage, "\(error)")
        }
    }
}

extension ClusterPlanError {
    fileprivate var isOfFile: Bool {
        switch self {
        case .credentials(.unreadable), .credentials(.noCredentials): true
        default: false
        }
    }
}
