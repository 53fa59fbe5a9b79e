internal import Logging
internal import Multiserver
package import MuxRPC

/// The place that a setting comes from.
package enum SettingOrigin: Equatable, Sendable {
    /// An option of the command.
    case flag
    /// The environment variable of that name.
    case variable(String)
    /// The settings file at that path.
    case file(String)
    /// Nothing says anything: the default counts.
    case standard
}

/// The file that settings are read from.
package enum SettingsSource {
    /// The environment variable that names another one than `config.json` in the home folder.
    package static let variable = "CWAY_CONFIG"
}

/// The settings in force, each with the place that it comes from.
package struct SettingsReport: Sendable {
    /// One setting.
    package struct Entry: Sendable {
        /// Which.
        package let key: SettingKey
        /// What counts, as the file would have it; null where nothing was said and the machine decides.
        package let value: JSONValue
        /// Where it was said.
        package let origin: SettingOrigin
    }

    /// All settings, in their order.
    package let entries: [Entry]
    /// `CWAY_` variables that mean nothing.
    package let unknownVariables: [String]

    /// Reads the settings of a home folder from all their places.
    ///
    /// - Throws: ``SettingsError``.
    package init(
        of home: Home, flags: Settings.Flags, environment: [String: String]
    ) async throws(SettingsError) {
        try await self.init(SettingsReader(home: home, flags: flags, environment: environment))
    }

    /// Reads a settings file alone, whatever the environment says.
    ///
    /// - Throws: ``SettingsError``, also where two services of an instance have the same name.
    package init(ofFile path: String) async throws(SettingsError) {
        try await self.init(SettingsReader(file: SettingsFile(at: path, mayBeMissing: false)))
    }

    private init(_ reader: SettingsReader) async throws(SettingsError) {
        let settings = try await Settings.load(through: reader, instances: [:])
        if let name = settings.repeatedService {
            throw .badValue(
                key: SettingKey.services.rawValue, origin: reader.path,
                reason: "two have the same name, \(name): give each a name of its own")
        }
        entries = SettingKey.allCases.map { key in
            Entry(key: key, value: settings.json(of: key), origin: reader.origin(of: key))
        }
        unknownVariables = reader.unknownVariables
    }
}

extension Settings {
    /// A setting as the file would have it.
    fileprivate func json(of key: SettingKey) -> JSONValue {
        switch key {
        case .name: .string(name)
        case .logLevel: .string(logLevel.rawValue)
        case .logFormat: .string(logFormat.rawValue)
        case .listen: Self.list(listen)
        case .publicHost: Self.text(publicHost)
        case .portals: Self.list(portals)
        case .services: Self.list(services)
        case .allow: Self.list(allow.map(\.id))
        case .allowAnyone: .bool(allowAnyone)
        case .visible: .bool(visible)
        case .instances: json(of: instances)
        case .allowLocal: .bool(allowLocal)
        case .battery: .bool(battery)
        case .network: .string(network.text)
        case .memory: Self.text(limits.memory)
        case .trustedProxies: Self.list(limits.trustedProxies)
        case .connectionsPerAddress: Self.number(limits.connectionsPerAddress)
        case .handshakesPerSecond: Self.number(limits.handshakesPerSecondPerAddress)
        case .memberRate: Self.text(limits.memberRate.map { "\($0)/s" })
        case .memberVolume: Self.text(limits.memberVolume)
        case .sourceRate: Self.text(limits.sourceRate.map { "\($0)/s" })
        case .sourceVolume: Self.text(limits.sourceVolume)
        case .metrics: Self.text(watching.metrics)
        case .metricsTokenFile: Self.text(watching.metricsTokenFile)
        case .exactMetrics: .bool(watching.exactMetrics ?? false)
        case .page: Self.text(watching.page)
        case .pageTokenFile: Self.text(watching.pageTokenFile)
        case .clusterServers: Self.list(cluster.servers)
        case .clusterListen: Self.text(cluster.listen)
        case .clusterAdvertise: Self.text(cluster.advertise?.hostAndPort)
        case .clusterAuthorityFile: Self.text(cluster.authorityFile)
        case .clusterCredentialsFile: Self.text(cluster.credentialsFile)
        case .clusterDrain: Self.number(cluster.drainSeconds ?? ClusterSettings.standardDrain)
        }
    }

    private func json(of instances: [Int: InstanceSettings]) -> JSONValue {
        let members = instances.sorted { $0.key < $1.key }.map { number, instance in
            var settings: JSONValue = ["services": Self.list(instance.services)]
            if !instance.allow.isEmpty { settings["allow"] = Self.list(instance.allow.map(\.id)) }
            if instance.allowAnyone { settings["allowAnyone"] = true }
            if !instance.portals.isEmpty { settings["portals"] = Self.list(instance.portals) }
            return JSONObject.Member(key: "\(number)", value: settings)
        }
        return .object(JSONObject(members))
    }

    private static func list(_ values: [some CustomStringConvertible]) -> JSONValue {
        .array(values.map { .string($0.description) })
    }

    private static func text(_ value: (some CustomStringConvertible)?) -> JSONValue {
        value.map { .string($0.description) } ?? .null
    }

    private static func number(_ value: Int?) -> JSONValue { value.map { .integer(Int64($0)) } ?? .null }
}
