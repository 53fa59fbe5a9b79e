import Logging
import Multiserver
import Node
import PortalCore
import SecretHandshake
import Testing
import Transport
import TypedSodium

@Suite("Settings")
struct SettingsTests {
    private let folder: TemporaryFolder
    private let home: Home
    private let id: String

    init() throws {
        folder = try TemporaryFolder()
        home = try folder.home
        id = try SecretSamples.identity().publicKey.id
    }

    private func load(
        _ config: String? = nil, flags: Settings.Flags = Settings.Flags(), environment: [String: String] = [:]
    ) async throws -> Settings {
        if let config { try folder.write(config, to: "config.json") }
        return try await Settings.load(from: home, flags: flags, environment: environment)
    }

    @Test("are the defaults where nothing is said")
    func defaults() async throws {
        let settings = try await load()
        #expect(settings == Settings())
        #expect(settings.network == .scuttlebutt)
        #expect(settings.limits == Settings.Limits() && settings.limits.connectionsPerAddress == nil)
        #expect(!settings.allowLocal)
        #expect(!settings.allowAnyone && settings.listen.isEmpty && settings.logLevel == .info)
        #expect(try await load("{}") == Settings())
    }

    @Test("come from config.json")
    func file() async throws {
        let network = String(repeating: "0f", count: 32)
        let settings = try await load(
            """
            {"logLevel": "debug", "listen": ["*:8008", "[::1]:9"], "portals": ["host:8008:\(id)"],
             "services": ["ssh=localhost:22"], "allow": ["\(id)"], "allowAnyone": true, "allowLocal": true,
             "network": "\(network)",
             "limits": {"connectionsPerAddress": 3, "handshakesPerSecondPerAddress": 4, "memory": "1GiB",
                        "trustedProxies": ["10.0.0.0/8", "::1"]}}
            """)
        #expect(settings.logLevel == .debug)
        #expect(settings.listen.map(\.description) == ["*:8008", "[::1]:9"])
        #expect(settings.portals.map(\.description) == ["net:host:8008~shs:\(id.dropFirst().prefix(44))"])
        #expect(settings.services.map(\.description) == ["ssh=localhost:22"])
        #expect(settings.allow.map(\.id) == [id])
        #expect(settings.allowAnyone && settings.allowLocal)
        #expect(settings.network.bytes.array == [UInt8](repeating: 15, count: 32))
        #expect(
            settings.limits.connectionsPerAddress == 3 && settings.limits.handshakesPerSecondPerAddress == 4)
        #expect(settings.limits.memory?.byteCount == 1 << 30)
        #expect(settings.limits.trustedProxies == [try AddressRange("10.0.0.0/8"), try AddressRange("::1")])
        #expect(settings.unknownVariables.isEmpty)
    }

    @Test("come from the environment before the file")
    func environment() async throws {
        let environment = [
            "CWAY_CIPHER": "libsodium", "CWAY_LOG_LEVEL": "trace", "CWAY_LISTEN": ":1, [::1]:2",
            "CWAY_PORTALS": "",
            "CWAY_ALLOW": "\(id),\(id)",
            "CWAY_ALLOW_ANYONE": "true", "CWAY_ALLOW_LOCAL": "true",
            "CWAY_NETWORK": NetworkIdentifier.scuttlebutt.text,
            "CWAY_SERVICES": "a=b:1", "CWAY_LIMITS_CONNECTIONS_PER_ADDRESS": "5",
            "CWAY_LIMITS_HANDSHAKES_PER_SECOND_PER_ADDRESS": "6", "CWAY_HOME": "/x", "OTHER": "y",
            "CWAY_LIMITS_MEMORY": "64MiB", "CWAY_LIMITS_TRUSTED_PROXIES": "10.0.0.0/8,::1",
        ]
        let settings = try await load(
            """
            {"logLevel": "debug", "listen": ["*:8008"], "portals": ["h:1:\(id)"], "allowAnyone": false,
             "limits": {"connectionsPerAddress": 3}}
            """, environment: environment)
        #expect(settings.logLevel == .trace)
        #expect(settings.listen.map(\.description) == ["localhost:1", "[::1]:2"])
        #expect(settings.portals.isEmpty)
        #expect(settings.allow.count == 2 && settings.allowAnyone && settings.services.count == 1)
        #expect(settings.allowLocal)
        #expect(
            settings.limits.connectionsPerAddress == 5 && settings.limits.handshakesPerSecondPerAddress == 6)
        #expect(settings.limits.memory == MemorySize("64MiB") && settings.limits.trustedProxies.count == 2)
        #expect(settings.unknownVariables.isEmpty)
    }

    @Test("come from the flags before everything")
    func flags() async throws {
        var flags = Settings.Flags()
        flags.logLevel = .error
        flags.listen = [try ListenAddress("*:0")]
        flags.portals = [PeerAddress(net: try NetAddress(host: "::1", port: 9), key: try PublicKey(id: id))]
        flags.services = [try ServiceSetting("web=[::1]:80")]
        flags.allow = [try PublicKey(id: id)]
        flags.allowAnyone = false
        flags.allowLocal = true
        flags.network = NetworkIdentifier(FixedBytes())
        flags.limits.connectionsPerAddress = 1
        flags.limits.handshakesPerSecondPerAddress = 2
        flags.limits.memory = MemorySize("32MiB")
        flags.limits.trustedProxies = [try AddressRange("2001:db8::/32")]
        let settings = try await load(
            "{\"logLevel\": \"debug\"}", flags: flags,
            environment: ["CWAY_LOG_LEVEL": "trace", "CWAY_ALLOW_ANYONE": "true", "CWAY_LISTEN": "*:1"])
        #expect(settings.logLevel == .error && settings.listen == flags.listen)
        #expect(settings.portals == flags.portals && settings.services == flags.services)
        #expect(settings.allow == flags.allow && !settings.allowAnyone && settings.allowLocal)
        #expect(settings.network == flags.network)
        #expect(settings.limits == flags.limits)
    }

    @Test("refuse a name that no grant carries", arguments: ["", "two\\nlines", "\\u200d", "\\ufeffhome"])
    func unprintableName(_ name: String) async throws {
        await #expect(throws: SettingsError.self) { try await load(#"{"name": ""# + name + #""}"#) }
        #expect(try await load(#"{"name": "Ännes Rechner 2"}"#).name == "Ännes Rechner 2")
    }

    @Test("report variables that mean nothing")
    func unknownVariables() async throws {
        let settings = try await load(environment: ["CWAY_LISTENN": "", "CWAY_HOME": "", "CWAY_X": ""])
        #expect(settings.unknownVariables == ["CWAY_LISTENN", "CWAY_X"])
        #expect(Settings.variable(near: "CWAY_LISTENN") == "CWAY_LISTEN")
        #expect(Settings.variable(near: "CWAY_X") == nil)
    }

    @Test(
        "name file and place when it is no JSON object",
        arguments: [("{\n \"listen\": tru\n}", 2), ("", 1), ("{\n\n", 3), ("[]", 1), ("{\"a\": 1} x", 1)])
    func brokenFile(text: String, line: Int) async throws {
        do {
            _ = try await load(text)
            Issue.record("accepted")
        } catch let error as SettingsError {
            guard case .notJSON(let path, line, _) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(path == folder.path + "/config.json")
            #expect(error.description.contains(path) && error.description.contains("line \(line)"))
        }
    }

    @Test("refuse a file that is too long or no file")
    func unreadableFile() async throws {
        try folder.write(String(repeating: " ", count: (1 << 18) + 1), to: "config.json")
        await #expect(throws: SettingsError.tooLong(path: folder.path + "/config.json", limit: 1 << 18)) {
            try await load()
        }
        let home = try Home(path: folder.path + "/config.json", environment: [:])
        await #expect(throws: SettingsError.self) { try await Settings.load(from: home, environment: [:]) }
    }

    @Test(
        "name the setting, its origin and the remedy when a value is wrong",
        arguments: [
            ("logLevel", "\"loud\""), ("logLevel", "1"), ("listen", "[\"nowhere\"]"), ("listen", "\"*:1\""),
            ("portals", "[\"tunnel:x\"]"), ("portals", "[1]"), ("services", "[\"SSH=a:1\"]"),
            ("services", "[\"ssh\"]"),
            ("allow", "[\"@x\"]"), ("allowAnyone", "\"yes\""), ("network", "\"abc\""),
            ("network", "\"\(String(repeating: "é", count: 32))\""),
        ])
    func badValues(key: String, value: String) async throws {
        await expectBadValue(key, origin: folder.path + "/config.json") {
            try await load("{\"\(key)\": \(value)}")
        }
    }

    @Test("bound the limits", arguments: ["0", "-1", "1000001", "1.5", "\"many\""])
    func badLimits(value: String) async throws {
        let key = "limits.connectionsPerAddress"
        await expectBadValue(key, origin: folder.path + "/config.json") {
            try await load("{\"limits\": {\"connectionsPerAddress\": \(value)}}")
        }
        let variable = "CWAY_LIMITS_CONNECTIONS_PER_ADDRESS"
        await expectBadValue(key, origin: "the environment variable \(variable)") {
            try await load("{}", environment: [variable: value])
        }
    }

    @Test("take an amount of memory with its unit", arguments: ["16MiB", "1GiB", "64GiB", "100MiB"])
    func memory(text: String) async throws {
        #expect(try await load(#"{"limits": {"memory": "\#(text)"}}"#).limits.memory?.description == text)
    }

    @Test(
        "refuse other amounts",
        arguments: ["", "128", "128M", "1 GiB", "15MiB", "65GiB", "-1MiB", "01GiB", "9223372036854775807GiB"])
    func badMemory(text: String) async throws {
        await expectBadValue("limits.memory", origin: folder.path + "/config.json") {
            try await load(#"{"limits": {"memory": "\#(text)"}}"#)
        }
    }

    @Test("name the command line as origin too")
    func badFlag() async throws {
        var flags = Settings.Flags()
        flags.limits.connectionsPerAddress = 0
        await expectBadValue("limits.connectionsPerAddress", origin: "the command line") {
            try await load(flags: flags)
        }
    }

    private func expectBadValue(_ key: String, origin: String, _ body: () async throws -> Settings) async {
        do {
            Issue.record("accepted as \(try await body())")
        } catch SettingsError.badValue(let name, let place, let reason) {
            #expect(name == key)
            #expect(place == origin)
            #expect(!reason.isEmpty)
        } catch {
            Issue.record(error)
        }
    }
}
