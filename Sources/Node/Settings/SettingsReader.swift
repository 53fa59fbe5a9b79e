internal import Configuration
internal import Logging
internal import Multiserver
internal import PortalCore
internal import SecretHandshake
internal import Transport
internal import TypedSodium

/// One reader over flags, environment and file, which says where a wrong value came from.
struct SettingsReader {
    /// Variables that mean nothing: typing errors, most likely, or somebody else's.
    let unknownVariables: [String]

    private let reader: ConfigReader
    private let flags: [AbsoluteConfigKey: ConfigValue]
    private let environment: [String: String]
    private let file: SettingsFile

    init(home: Home, flags: Settings.Flags, environment: [String: String]) throws(SettingsError) {
        try self.init(
            file: SettingsFile(in: home, environment: environment), flags: flags, environment: environment)
    }

    /// The same with a file that was read.
    init(file: SettingsFile, flags: Settings.Flags = .init(), environment: [String: String] = [:]) {
        self.file = file
        self.flags = flags.values
        self.environment = environment.filter { $0.key.hasPrefix("CWAY_") }
        let known = Set(Self.variables)
        unknownVariables = self.environment.keys.filter { !known.contains($0) }.sorted()
        let written = file.values.map { (AbsoluteConfigKey($0.key), ConfigValue($0.value, isSecret: false)) }
        reader = ConfigReader(providers: [
            InMemoryProvider(name: "flags", values: self.flags),
            EnvironmentVariablesProvider(environmentVariables: self.environment).prefixKeys(with: "cway"),
            InMemoryProvider(name: "file", values: Dictionary(uniqueKeysWithValues: written)),
        ])
    }

    /// All variables that mean something.
    static var variables: [String] {
        // What is said of instances has no order and no place in a variable.
        SettingKey.allCases.filter { $0 != .instances }.map(\.variable) + [
            Home.variable, SettingsSource.variable, ProcessSetup.debuggingVariable,
            ProcessSetup.cipherVariable,
        ]
    }

    /// Reads what the file says of instances beside 0, where the command line says nothing of the same one.
    func read(
        _ flags: [Int: InstanceSettings], into instances: inout [Int: InstanceSettings]
    ) throws(SettingsError) {
        instances = flags
        for (number, values) in file.instances where flags[number] == nil {
            instances[number] = try InstanceSettings(values, of: number, in: file.path)
        }
        guard instances.count <= InstanceSettings.countLimit else {
            throw badValue(.instances, "write \(InstanceSettings.countLimit) at most")
        }
    }

    /// Reads a text that stands for one value.
    func read<Value>(
        _ key: SettingKey, into value: inout Value, _ parse: (String) -> Value?
    ) async throws(SettingsError) {
        let text = try await fetch(key) { try await reader.fetchString(forKey: $0) }
        guard let text else { return }
        guard let parsed = parse(text) else { throw badValue(key, "write \(key.meaning.takes)") }
        value = parsed
    }

    /// Reads a list of texts that each stand for a value.
    func read<Value, Failure: Error>(
        _ key: SettingKey, into values: inout [Value], _ parse: (String) throws(Failure) -> Value
    ) async throws(SettingsError) {
        try await read(key, intoAll: &values) { (text) throws(Failure) in [try parse(text)] }
    }

    /// Reads a list of texts that each stand for some values.
    func read<Value, Failure: Error>(
        _ key: SettingKey, intoAll values: inout [Value], _ parse: (String) throws(Failure) -> [Value]
    ) async throws(SettingsError) {
        let texts = try await fetch(key) { try await reader.fetchStringArray(forKey: $0) }
        guard let texts else { return }
        values = []
        // A variable without a value, or a comma too many, names nothing.
        for text in texts where !text.isEmpty {
            do throws(Failure) {
                values += try parse(text)
            } catch {
                throw badValue(key, String(describing: error))
            }
        }
    }

    /// Reads a yes or no.
    func read(_ key: SettingKey, into value: inout Bool) async throws(SettingsError) {
        value = try await fetch(key) { try await reader.fetchBool(forKey: $0) } ?? value
    }

    /// Reads a yes or no that may not be said.
    func read(_ key: SettingKey, into value: inout Bool?) async throws(SettingsError) {
        value = try await fetch(key) { try await reader.fetchBool(forKey: $0) } ?? value
    }

    /// Reads a limit.
    func read(
        _ key: SettingKey, into value: inout Int?, within range: ClosedRange<Int> = SettingKey.limitRange
    ) async throws(SettingsError) {
        let number = try await fetch(key) { try await reader.fetchInt(forKey: $0) }
        guard let number else { return }
        guard range.contains(number) else {
            throw badValue(key, "write \(key.meaning.takes), instead of \(number)")
        }
        value = number
    }

    private func fetch<Value>(
        _ key: SettingKey, _ body: (ConfigKey) async throws -> Value?
    ) async throws(SettingsError) -> Value? {
        do {
            return try await body(ConfigKey(key.rawValue))
        } catch {
            throw badValue(key, "write \(key.meaning.takes)")
        }
    }

    private func badValue(_ key: SettingKey, _ reason: String) -> SettingsError {
        let origin =
            switch origin(of: key) {
            case .flag: "the command line"
            case .variable(let name): "the environment variable \(name)"
            case .file, .standard: file.path
            }
        return .badValue(key: key.rawValue, origin: origin, reason: reason)
    }

    // MARK: Origins

    /// Where the settings file is.
    var path: String { file.path }

    /// The place that a setting comes from.
    func origin(of key: SettingKey) -> SettingOrigin {
        if flags[AbsoluteConfigKey(key)] != nil { return .flag }
        if key != .instances, environment[key.variable] != nil { return .variable(key.variable) }
        return file.has(key) ? .file(file.path) : .standard
    }
}

extension AbsoluteConfigKey {
    fileprivate init(_ key: SettingKey) { self.init(ConfigKey(key.rawValue)) }
}

extension Settings.Flags {
    /// The flags that were given, as texts, since every other place of settings has texts too.
    fileprivate var values: [AbsoluteConfigKey: ConfigValue] {
        var values: [AbsoluteConfigKey: ConfigValue] = [:]
        func set(_ key: SettingKey, _ content: ConfigContent?) {
            guard let content else { return }
            values[AbsoluteConfigKey(key)] = ConfigValue(content, isSecret: false)
        }
        func set(_ key: SettingKey, texts: [String]) {
            set(key, texts.isEmpty ? nil : .stringArray(texts))
        }
        set(.logLevel, logLevel.map { .string($0.rawValue) })
        set(.logFormat, logFormat.map { .string($0.rawValue) })
        set(.listen, texts: listen.map(\.description))
        set(.publicHost, publicHost.map { .string($0) })
        set(.portals, texts: portals.map(\.description))
        set(.services, texts: services.map(\.description))
        set(.allow, texts: allow.map(\.id))
        set(.allowAnyone, allowAnyone.map { .bool($0) })
        set(.visible, visible.map { .bool($0) })
        set(.allowLocal, allowLocal.map { .bool($0) })
        set(.battery, battery.map { .bool($0) })
        set(.network, network.map { .string($0.text) })
        set(.memory, limits.memory.map { .string($0.description) })
        set(.trustedProxies, texts: limits.trustedProxies.map(\.description))
        set(.connectionsPerAddress, limits.connectionsPerAddress.map { .int($0) })
        set(.handshakesPerSecond, limits.handshakesPerSecondPerAddress.map { .int($0) })
        set(.memberRate, limits.memberRate.map { .string("\($0)/s") })
        set(.memberVolume, limits.memberVolume.map { .string("\($0)") })
        set(.sourceRate, limits.sourceRate.map { .string("\($0)/s") })
        set(.sourceVolume, limits.sourceVolume.map { .string("\($0)") })
        set(.metrics, watching.metrics.map { .string($0.description) })
        set(.metricsTokenFile, watching.metricsTokenFile.map { .string($0) })
        set(.exactMetrics, watching.exactMetrics.map { .bool($0) })
        set(.page, watching.page.map { .string($0.description) })
        set(.pageTokenFile, watching.pageTokenFile.map { .string($0) })
        set(.clusterServers, texts: cluster.servers.map(\.secretText))
        set(.clusterListen, cluster.listen.map { .string($0.description) })
        set(.clusterAdvertise, cluster.advertise.map { .string($0.hostAndPort) })
        set(.clusterAuthorityFile, cluster.authorityFile.map { .string($0) })
        set(.clusterCredentialsFile, cluster.credentialsFile.map { .string($0) })
        set(.clusterDrain, cluster.drainSeconds.map { .int($0) })
        return values
    }
}
