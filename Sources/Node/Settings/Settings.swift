internal import Keyring
package import Logging
package import Multiserver
package import PortalCore
package import SecretHandshake
internal import Transport
package import TypedSodium

/// What a node is told to do.
///
/// Each setting comes from the first place that has it: the command's flags, the environment (`CWAY_` and the
/// name in capitals, `CWAY_LIMITS_CONNECTIONS_PER_ADDRESS`; lists with commas), `config.json` in the home
/// folder, the default.
package struct Settings: Equatable, Sendable {
    /// What is held for others, and what one source address may take of a portal at most.
    package struct Limits: Equatable, Sendable {
        /// What may be held for all others together; as the machine has it where nothing is said.
        package var memory: MemorySize?
        /// Connections from one address at the same time; its share where nothing is said.
        package var connectionsPerAddress: Int?
        /// Handshakes that one address may begin in a second; its share where nothing is said.
        package var handshakesPerSecondPerAddress: Int?
        /// Who passes connections on and says whose they are: from there each has to begin with a PROXY header.
        package var trustedProxies: [AddressRange] = []
        /// What each member may have in a second.
        package var memberRate: DataAmount?
        /// What each member may have in a month.
        package var memberVolume: DataAmount?
        /// What each source address of others may have in a second.
        package var sourceRate: DataAmount?
        /// What each source address of others may have in a month.
        package var sourceVolume: DataAmount?

        /// The defaults.
        package init() {}
    }

    /// Where those who watch a daemon see what it does; nowhere by default.
    package struct Watching: Equatable, Sendable {
        /// Where metrics are read.
        package var metrics: WatchAddress?
        /// The file with the token that who reads them shows.
        package var metricsTokenFile: String?
        /// Whether metrics tell exactly how many people are there.
        package var exactMetrics: Bool?
        /// Where a portal's operator finds its page.
        package var page: WatchAddress?
        /// The file with the token that the operator shows there.
        package var pageTokenFile: String?

        /// Nowhere.
        package init() {}

        fileprivate mutating func read(from reader: SettingsReader) async throws(SettingsError) {
            try await reader.read(.metrics, into: &metrics, WatchAddress.setting)
            try await reader.read(.metricsTokenFile, into: &metricsTokenFile) { $0.isEmpty ? nil : .some($0) }
            try await reader.read(.exactMetrics, into: &exactMetrics)
            try await reader.read(.page, into: &page, WatchAddress.setting)
            try await reader.read(.pageTokenFile, into: &pageTokenFile) { $0.isEmpty ? nil : .some($0) }
        }
    }

    /// The settings that a command was given as flags; what is `nil` or empty was not.
    package struct Flags: Equatable, Sendable {
        /// How much to log.
        package var logLevel: Logger.Level?
        /// How to write it.
        package var logFormat: LogFormat?
        /// Where to listen.
        package var listen: [ListenAddress] = []
        /// How others call this machine.
        package var publicHost: String?
        /// Portals to announce at or to dial through.
        package var portals: [PeerAddress] = []
        /// Services to offer.
        package var services: [ServiceSetting] = []
        /// Who may use them.
        package var allow: [PublicKey] = []
        /// Whether everybody may.
        package var allowAnyone: Bool?
        /// Whether this node's id is announced also where it has friends.
        package var visible: Bool?
        /// What the instances beside 0 offer, by number; each in the place of all that is said elsewhere of that one.
        package var instances: [Int: InstanceSettings] = [:]
        /// Whether invites and friends may name addresses of this machine and its links.
        package var allowLocal: Bool?
        /// Whether this node lives on a battery.
        package var battery: Bool?
        /// The network to speak on.
        package var network: NetworkIdentifier?
        /// What is held for others, and what one address may take.
        package var limits = Limits()
        /// Where those see what it does who watch it.
        package var watching = Watching()
        /// The other machines of a portal.
        package var cluster = ClusterSettings()

        /// No flags.
        package init() {}
    }

    /// What this node calls itself towards its friends.
    package var name = "node"
    /// How much to log.
    package var logLevel = Logger.Level.info
    /// How to write it.
    package var logFormat = LogFormat.plain
    /// Where to listen; nowhere by default.
    package var listen: [ListenAddress] = []
    /// The host in the addresses that a portal prints, where others reach it by another name than it listens at.
    package var publicHost: String?
    /// Portals to announce at or to dial through.
    package var portals: [PeerAddress] = []
    /// Services to offer.
    package var services: [ServiceSetting] = []
    /// Who may use them; nobody by default.
    package var allow: [PublicKey] = []
    /// Whether everybody may.
    package var allowAnyone = false
    /// Whether this node's id is announced at all portals, also where it has friends or invites.
    package var visible = false
    /// What the instances beside 0 offer, by number; what is above is instance 0's.
    package var instances: [Int: InstanceSettings] = [:]
    /// Whether a portal is dialled that an invite or a friend names at an address of this machine or its links.
    package var allowLocal = false
    /// Whether this node is woken rarely, and notices late that a machine of its portal has died.
    package var battery = false
    /// The network to speak on; the main one by default.
    package var network = NetworkIdentifier.scuttlebutt
    /// What is held for others, and what one source address may take of a portal.
    package var limits = Limits()
    /// Where those see what it does who watch it.
    package var watching = Watching()
    /// The other machines of a portal.
    package var cluster = ClusterSettings()

    /// `CWAY_` variables that mean nothing: typing errors, most likely.
    package var unknownVariables: [String] = []

    /// The defaults.
    package init() {}

    /// Reads the settings from all their places.
    ///
    /// - Throws: ``SettingsError``.
    package static func load(
        from home: Home, flags: Flags = Flags(), environment: [String: String]
    ) async throws(SettingsError) -> Settings {
        try await load(
            through: try SettingsReader(home: home, flags: flags, environment: environment),
            instances: flags.instances)
    }

    /// The same through a reader, which knows all but what the command line says of instances.
    static func load(
        through reader: SettingsReader, instances: [Int: InstanceSettings]
    ) async throws(SettingsError) -> Settings {
        var settings = Settings()
        try await reader.read(.logLevel, into: &settings.logLevel) { Logger.Level(rawValue: $0) }
        try await reader.read(.logFormat, into: &settings.logFormat) { LogFormat(rawValue: $0) }
        // Of another name no friend is ever granted anything: a grant refuses it.
        try await reader.read(.name, into: &settings.name) { CircleGrant.isName($0) ? $0 : nil }
        try await reader.read(.listen, into: &settings.listen, ListenAddress.init(_:))
        try await reader.read(.publicHost, into: &settings.publicHost) { text in
            (try? NetAddress(host: text, port: NetAddress.defaultPort)).map { Optional($0.host) }
        }
        try await reader.read(.portals, intoAll: &settings.portals, PeerAddress.alternatives(in:))
        try await reader.read(.services, into: &settings.services, ServiceSetting.init(_:))
        try await reader.read(.allow, into: &settings.allow, PublicKey.init(id:))
        try await reader.read(.allowAnyone, into: &settings.allowAnyone)
        try await reader.read(.visible, into: &settings.visible)
        try reader.read(instances, into: &settings.instances)
        try await reader.read(.allowLocal, into: &settings.allowLocal)
        try await reader.read(.battery, into: &settings.battery)
        try await reader.read(.network, into: &settings.network) { NetworkIdentifier(text: $0) }
        try await reader.read(.memory, into: &settings.limits.memory) { text in
            MemorySize(text).map(Optional.some)
        }
        try await reader.read(.trustedProxies, into: &settings.limits.trustedProxies, AddressRange.init(_:))
        try await reader.read(.connectionsPerAddress, into: &settings.limits.connectionsPerAddress)
        try await reader.read(.handshakesPerSecond, into: &settings.limits.handshakesPerSecondPerAddress)
        func amount(_ text: String) -> DataAmount?? { DataAmount(text).map(Optional.some) }
        func rate(_ text: String) -> DataAmount?? { DataAmount(perSecond: text).map(Optional.some) }
        try await reader.read(.memberRate, into: &settings.limits.memberRate, rate)
        try await reader.read(.memberVolume, into: &settings.limits.memberVolume, amount)
        try await reader.read(.sourceRate, into: &settings.limits.sourceRate, rate)
        try await reader.read(.sourceVolume, into: &settings.limits.sourceVolume, amount)
        try await settings.watching.read(from: reader)
        try await settings.cluster.read(from: reader)
        settings.unknownVariables = reader.unknownVariables
        return settings
    }

    /// The variable that was meant, most likely, by one that means nothing.
    package static func variable(near name: String) -> String? {
        NearestName.nearest(to: name, among: SettingsReader.variables)
    }

    /// Refuses a log level of the environment that is none, without reading any file.
    ///
    /// - Throws: ``SettingsError``.
    package static func checkLogLevel(in environment: [String: String]) throws(SettingsError) {
        let key = SettingKey.logLevel
        guard let text = environment[key.variable], Logger.Level(rawValue: text) == nil else { return }
        throw .badValue(
            key: key.rawValue, origin: "the environment variable \(key.variable)",
            reason: "write \(key.meaning.takes)")
    }

    // MARK: Instances

    /// What every instance offers, by number; 0 is there in any case, and its portals are the process's.
    var offers: [Int: InstanceSettings] {
        var first = InstanceSettings()
        first.services = services
        first.allow = allow
        first.allowAnyone = allowAnyone
        var offers = instances
        offers[0] = first
        return offers
    }

    /// Where the services of all instances are to be had on this machine.
    var targets: [ServiceName: ServiceTarget] {
        var targets: [ServiceName: ServiceTarget] = [:]
        for (number, offer) in offers {
            for service in offer.services { targets[ServiceName(service.name, at: number)] = service.target }
        }
        return targets
    }

    /// A service that one instance offers twice.
    package var repeatedService: ServiceName? {
        for (number, offer) in offers {
            var names: Set<String> = []
            for service in offer.services where !names.insert(service.name).inserted {
                return ServiceName(service.name, at: number)
            }
        }
        return nil
    }

    /// Everybody who is allowed by id, at whichever instance.
    package var allAllowed: [PublicKey] {
        offers.sorted { $0.key < $1.key }.flatMap(\.value.allow)
    }

    // MARK: Changes

    /// Which settings differ from those before, as far as a running process can follow.
    ///
    /// Puts those back that count from the next start on, and gives their names apart.
    package mutating func follow(_ former: Settings) -> (changed: [SettingKey], delayed: [SettingKey]) {
        var (changed, delayed): ([SettingKey], [SettingKey]) = ([], [])
        for key in SettingKey.allCases {
            var kept = self
            kept.take(key, from: former)
            guard kept != self else { continue }
            switch key.meaning.change {
            case .reload: changed.append(key)
            case .restart:
                delayed.append(key)
                self = kept
            }
        }
        return (changed, delayed)
    }

    private mutating func take(_ key: SettingKey, from other: Settings) {
        switch key {
        case .name: name = other.name
        case .logLevel: logLevel = other.logLevel
        case .logFormat: logFormat = other.logFormat
        case .listen: listen = other.listen
        case .publicHost: publicHost = other.publicHost
        case .portals: portals = other.portals
        case .services: services = other.services
        case .allow: allow = other.allow
        case .allowAnyone: allowAnyone = other.allowAnyone
        case .visible: visible = other.visible
        case .instances: instances = other.instances
        case .allowLocal: allowLocal = other.allowLocal
        case .battery: battery = other.battery
        case .network: network = other.network
        case .memory: limits.memory = other.limits.memory
        case .trustedProxies: limits.trustedProxies = other.limits.trustedProxies
        case .connectionsPerAddress: limits.connectionsPerAddress = other.limits.connectionsPerAddress
        case .handshakesPerSecond:
            limits.handshakesPerSecondPerAddress = other.limits.handshakesPerSecondPerAddress
        case .memberRate: limits.memberRate = other.limits.memberRate
        case .memberVolume: limits.memberVolume = other.limits.memberVolume
        case .sourceRate: limits.sourceRate = other.limits.sourceRate
        case .sourceVolume: limits.sourceVolume = other.limits.sourceVolume
        case .metrics: watching.metrics = other.watching.metrics
        case .metricsTokenFile: watching.metricsTokenFile = other.watching.metricsTokenFile
        case .exactMetrics: watching.exactMetrics = other.watching.exactMetrics
        case .page: watching.page = other.watching.page
        case .pageTokenFile: watching.pageTokenFile = other.watching.pageTokenFile
        case .clusterServers: cluster.servers = other.cluster.servers
        case .clusterListen: cluster.listen = other.cluster.listen
        case .clusterAdvertise: cluster.advertise = other.cluster.advertise
        case .clusterAuthorityFile: cluster.authorityFile = other.cluster.authorityFile
        case .clusterCredentialsFile: cluster.credentialsFile = other.cluster.credentialsFile
        case .clusterDrain: cluster.drainSeconds = other.cluster.drainSeconds
        }
    }
}
