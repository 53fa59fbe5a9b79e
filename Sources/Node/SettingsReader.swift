internal import Configuration
internal import Logging
internal import Multiserver
internal import SecretHandshake
internal import Sodium
internal import Transport

/// The names of all settings, as `config.json` spells them.
enum SettingKey: String, CaseIterable {
    case name
    case logLevel
    case listen
    case portals
    case services
    case allow
    case allowAnyone
    case allowLocal
    case network
    case memory = "limits.memory"
    case trustedProxies = "limits.trustedProxies"
    case connectionsPerAddress = "limits.connectionsPerAddress"
    case handshakesPerSecond = "limits.handshakesPerSecondPerAddress"

    /// The environment variable: capitals, with underscores between words and levels.
    ///
    /// The same rule as swift-configuration's, which keeps it to itself.
    var variable: String {
        rawValue.reduce(into: "CWAY_") { name, letter in
            if letter.isUppercase { name += "_" }
            name += letter == "." ? "_" : letter.uppercased()
        }
    }
}

/// One reader over flags, environment and file, which says where a wrong value came from.
struct SettingsReader {
    /// The largest number that a limit may be set to.
    static let limitRange = 1...1_000_000

    /// Names that mean nothing.
    let unknownKeys: [String]

    private let reader: ConfigReader
    private let flags: [AbsoluteConfigKey: ConfigValue]
    private let environment: [String: String]
    private let file: SettingsFile

    init(home: Home, flags: Settings.Flags, environment: [String: String]) async throws(SettingsError) {
        file = try SettingsFile(in: home)
        self.flags = flags.values
        self.environment = environment.filter { $0.key.hasPrefix("CWAY_") }
        unknownKeys = Self.unknownKeys(in: file, environment: self.environment)
        var providers: [any ConfigProvider] = [
            InMemoryProvider(name: "flags", values: self.flags),
            EnvironmentVariablesProvider(environmentVariables: self.environment).prefixKeys(with: "cway"),
        ]
        if file.exists {
            do {
                // By way of a reader, because the type of a bare path belongs to a package that is not ours.
                let place = InMemoryProvider(values: [
                    "filePath": ConfigValue(.string(file.path), isSecret: false)
                ])
                providers.append(try await FileProvider<JSONSnapshot>(config: ConfigReader(provider: place)))
            } catch {
                throw .unreadable(path: file.path, reason: String(describing: error))
            }
        }
        reader = ConfigReader(providers: providers)
    }

    /// Reads a text that stands for one value; `remedy` says which texts do.
    func read<Value>(
        _ key: SettingKey, into value: inout Value, remedy: String, _ parse: (String) -> Value?
    ) async throws(SettingsError) {
        let text = try await fetch(key, "a text") { try await reader.fetchString(forKey: $0) }
        guard let text else { return }
        guard let parsed = parse(text) else { throw badValue(key, remedy) }
        value = parsed
    }

    /// Reads a text that may be missing.
    func read<Value>(
        _ key: SettingKey, into value: inout Value?, remedy: String, _ parse: (String) -> Value?
    ) async throws(SettingsError) {
        let text = try await fetch(key, "a text") { try await reader.fetchString(forKey: $0) }
        guard let text else { return }
        guard let parsed = parse(text) else { throw badValue(key, remedy) }
        value = parsed
    }

    /// Reads a list of texts that each stand for a value.
    func read<Value, Failure: Error>(
        _ key: SettingKey, into values: inout [Value], _ parse: (String) throws(Failure) -> Value
    ) async throws(SettingsError) {
        let texts = try await fetch(key, "a list of texts") { try await reader.fetchStringArray(forKey: $0) }
        guard let texts else { return }
        values = []
        for text in texts where !text.isEmpty {
            do throws(Failure) {
                values.append(try parse(text))
            } catch {
                throw badValue(key, String(describing: error))
            }
        }
    }

    /// Reads a yes or no.
    func read(_ key: SettingKey, into value: inout Bool) async throws(SettingsError) {
        value = try await fetch(key, "true or false") { try await reader.fetchBool(forKey: $0) } ?? value
    }

    /// Reads a limit.
    func read(_ key: SettingKey, into value: inout Int?) async throws(SettingsError) {
        let number = try await fetch(key, "a whole number") { try await reader.fetchInt(forKey: $0) }
        guard let number else { return }
        guard Self.limitRange.contains(number) else {
            throw badValue(
                key, "\(number) is not from 1 to \(Self.limitRange.upperBound): choose one that is")
        }
        value = number
    }

    private func fetch<Value>(
        _ key: SettingKey, _ kind: String, _ body: (ConfigKey) async throws -> Value?
    ) async throws(SettingsError) -> Value? {
        do {
            return try await body(ConfigKey(key.rawValue))
        } catch {
            throw badValue(key, "write \(kind)")
        }
    }

    private func badValue(_ key: SettingKey, _ reason: String) -> SettingsError {
        let origin =
            if flags.keys.contains(where: { $0.components.joined(separator: ".") == key.rawValue }) {
                "the command line"
            } else if environment[key.variable] != nil {
                "the environment variable \(key.variable)"
            } else {
                file.path
            }
        return .badValue(key: key.rawValue, origin: origin, reason: reason)
    }

    private static func unknownKeys(in file: SettingsFile, environment: [String: String]) -> [String] {
        let names = Set(SettingKey.allCases.map(\.rawValue))
        let variables = Set(
            SettingKey.allCases.map(\.variable) + [Home.variable, ProcessSetup.debuggingVariable])
        return file.keys.filter { !names.contains($0) }
            + environment.keys.filter { !variables.contains($0) }.sorted()
    }
}

extension Settings.Flags {
    /// The flags that were given, as texts, since every other place of settings has texts too.
    fileprivate var values: [AbsoluteConfigKey: ConfigValue] {
        var values: [AbsoluteConfigKey: ConfigValue] = [:]
        func set(_ key: SettingKey, _ content: ConfigContent?) {
            guard let content else { return }
            values[AbsoluteConfigKey(ConfigKey(key.rawValue))] = ConfigValue(content, isSecret: false)
        }
        func set(_ key: SettingKey, texts: [String]) {
            set(key, texts.isEmpty ? nil : .stringArray(texts))
        }
        set(.logLevel, logLevel.map { .string($0.rawValue) })
        set(.listen, texts: listen.map(\.description))
        set(.portals, texts: portals.map(\.description))
        set(.services, texts: services.map(\.description))
        set(.allow, texts: allow.map(\.id))
        set(.allowAnyone, allowAnyone.map { .bool($0) })
        set(.allowLocal, allowLocal.map { .bool($0) })
        set(.network, network.map { .string($0.text) })
        set(.memory, limits.memory.map { .string($0.description) })
        set(.trustedProxies, texts: limits.trustedProxies.map(\.description))
        set(.connectionsPerAddress, limits.connectionsPerAddress.map { .int($0) })
        set(.handshakesPerSecond, limits.handshakesPerSecondPerAddress.map { .int($0) })
        return values
    }
}
