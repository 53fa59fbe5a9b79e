internal import Keyring
public import Logging
public import Multiserver
public import SecretHandshake
public import Sodium
public import Transport

/// What a node is told to do.
///
/// Each setting comes from the first place that has it: the command's flags, the environment (`CWAY_` and the
/// name in capitals, `CWAY_LIMITS_CONNECTIONS_PER_ADDRESS`; lists with commas), `config.json` in the home
/// folder, the default.
public struct Settings: Equatable, Sendable {
    /// What is held for others, and what one source address may take of a portal at most.
    public struct Limits: Equatable, Sendable {
        /// What may be held for all others together; as the machine has it where nothing is said.
        public var memory: MemorySize?
        /// Connections from one address at the same time; its share where nothing is said.
        public var connectionsPerAddress: Int?
        /// Handshakes that one address may begin in a second; its share where nothing is said.
        public var handshakesPerSecondPerAddress: Int?
        /// Whose addresses stand for many others, so that they are not limited as one.
        public var trustedProxies: [AddressRange] = []

        /// The defaults.
        public init() {}
    }

    /// The settings that a command was given as flags; what is `nil` or empty was not.
    public struct Flags: Equatable, Sendable {
        /// How much to log.
        public var logLevel: Logger.Level?
        /// Where to listen.
        public var listen: [ListenAddress] = []
        /// Portals to announce at or to dial through.
        public var portals: [PeerAddress] = []
        /// Services to offer.
        public var services: [ServiceSetting] = []
        /// Who may use them.
        public var allow: [PublicKey] = []
        /// Whether everybody may.
        public var allowAnyone: Bool?
        /// What the instances beside 0 offer, by number; each in the place of all that is said elsewhere of that one.
        public var instances: [Int: InstanceSettings] = [:]
        /// Whether invites and friends may name addresses of this machine and its links.
        public var allowLocal: Bool?
        /// The network to speak on.
        public var network: NetworkIdentifier?
        /// What is held for others, and what one address may take.
        public var limits = Limits()

        /// No flags.
        public init() {}
    }

    /// What this node calls itself towards its friends.
    public var name = "node"
    /// How much to log.
    public var logLevel = Logger.Level.info
    /// Where to listen; nowhere by default.
    public var listen: [ListenAddress] = []
    /// Portals to announce at or to dial through.
    public var portals: [PeerAddress] = []
    /// Services to offer.
    public var services: [ServiceSetting] = []
    /// Who may use them; nobody by default.
    public var allow: [PublicKey] = []
    /// Whether everybody may.
    public var allowAnyone = false
    /// What the instances beside 0 offer, by number; what is above is instance 0's.
    public var instances: [Int: InstanceSettings] = [:]
    /// Whether a portal is dialled that an invite or a friend names at an address of this machine or its links.
    public var allowLocal = false
    /// The network to speak on; the main one by default.
    public var network = NetworkIdentifier.scuttlebutt
    /// What is held for others, and what one source address may take of a portal.
    public var limits = Limits()

    /// `CWAY_` variables that mean nothing: typing errors, most likely.
    public var unknownVariables: [String] = []

    /// The defaults.
    public init() {}

    /// Reads the settings from all their places.
    ///
    /// - Throws: ``SettingsError``.
    public static func load(
        from home: Home, flags: Flags = Flags(), environment: [String: String]
    ) async throws(SettingsError) -> Settings {
        let reader = try SettingsReader(home: home, flags: flags, environment: environment)
        var settings = Settings()
        try await reader.read(.logLevel, into: &settings.logLevel) { Logger.Level(rawValue: $0) }
        // Of another name no friend is ever granted anything: a grant refuses it.
        try await reader.read(.name, into: &settings.name) { CircleGrant.isName($0) ? $0 : nil }
        try await reader.read(.listen, into: &settings.listen, ListenAddress.init(_:))
        try await reader.read(.portals, into: &settings.portals, PeerAddress.init(setting:))
        try await reader.read(.services, into: &settings.services, ServiceSetting.init(_:))
        try await reader.read(.allow, into: &settings.allow, PublicKey.init(id:))
        try await reader.read(.allowAnyone, into: &settings.allowAnyone)
        try reader.read(flags.instances, into: &settings.instances)
        try await reader.read(.allowLocal, into: &settings.allowLocal)
        try await reader.read(.network, into: &settings.network) { NetworkIdentifier(text: $0) }
        try await reader.read(.memory, into: &settings.limits.memory) { text in
            MemorySize(text).map(Optional.some)
        }
        try await reader.read(.trustedProxies, into: &settings.limits.trustedProxies, AddressRange.init(_:))
        try await reader.read(.connectionsPerAddress, into: &settings.limits.connectionsPerAddress)
        try await reader.read(.handshakesPerSecond, into: &settings.limits.handshakesPerSecondPerAddress)
        settings.unknownVariables = reader.unknownVariables
        return settings
    }

    /// The variable that was meant, most likely, by one that means nothing.
    public static func variable(near name: String) -> String? {
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
}

extension PeerAddress {
    /// A portal's address from a setting: any form that a command takes, except one that needs a portal itself.
    init(setting text: String) throws(AddressError) {
        guard case .peer(let peer) = try Address(text) else { throw .unknownProtocol("tunnel") }
        self = peer
    }
}
