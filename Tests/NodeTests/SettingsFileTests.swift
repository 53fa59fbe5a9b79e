import Foundation
import Logging
import MuxRPC
import Node
import Testing

/// What `config.json` may hold, and that docs/settings.md says the same.
@Suite("config.json")
struct SettingsFileTests {
    private let folder: TemporaryFolder
    private var path: String { folder.path + "/config.json" }

    init() throws { folder = try TemporaryFolder() }

    private func error(for config: String) async throws -> SettingsError? {
        try folder.write(config, to: "config.json")
        let home = try folder.home
        do throws(SettingsError) {
            _ = try await Settings.load(from: home, environment: [:])
            return nil
        } catch {
            return error
        }
    }

    @Test(
        "refuses a key that means nothing, and names the one that was meant",
        arguments: [
            ("alow", #"{"alow": []}"#, "allow"),
            ("service", #"{"service": ["ssh=localhost:22"]}"#, "services"),
            ("log_level", #"{"log_level": "debug"}"#, "logLevel"),
            ("allowanyone", #"{"allowanyone": false}"#, "allowAnyone"),
            ("netwrok", #"{"name": "x", "netwrok": ""}"#, "network"),
            ("limits.memmory", #"{"limits": {"memmory": "1GiB"}}"#, "limits.memory"),
            (
                "connectionsPerAddress", #"{"connectionsPerAddress": 4}"#, "limits.connectionsPerAddress"
            ),
            ("limits.portals", #"{"limits": {"portals": []}}"#, "portals"),
        ])
    func nearestKey(key: String, config: String, nearest: String) async throws {
        guard case .unknownKey(key, path, nearest, _)? = try await error(for: config) else {
            Issue.record("\(String(describing: try await error(for: config)))")
            return
        }
        let words = try await error(for: config)?.description ?? ""
        #expect(words.contains("'\(key)'") && words.contains("'\(nearest)'") && words.contains(path))
    }

    @Test("names all keys that there are where none is like the one that is there")
    func noNearestKey() async throws {
        let words = try await error(for: #"{"limits": {"colour": 1}}"#)?.description ?? ""
        #expect(words.contains("'limits.colour'") && words.contains("memory, trustedProxies"))
    }

    @Test(
        "refuses a value of another shape, with its place and what belongs there",
        arguments: [
            ("listen", #"{"listen": {"port": 1}}"#, "a list of HOST:PORT", "an object"),
            ("listen", #"{"listen": "*:1"}"#, "a list of HOST:PORT", "a text"),
            (
                "services", #"{"services": ["ssh=localhost:22", 7]}"#, "a list of NAME=",
                "a list with the number 7"
            ),
            ("allow", #"{"allow": [""]}"#, "a list of ids", "a list with an empty text"),
            ("name", #"{"name": null}"#, "a text of 1 to", "null"),
            ("logLevel", #"{"logLevel": 3}"#, "one of trace, debug", "the number 3"),
            ("allowAnyone", #"{"allowAnyone": "yes"}"#, "true or false", "a text"),
            ("limits", #"{"limits": 5}"#, "an object with memory, trustedProxies", "the number 5"),
            ("limits.memory", #"{"limits": {"memory": 128}}"#, "from 16MiB to 64GiB", "the number 128"),
            (
                "limits.connectionsPerAddress", #"{"limits": {"connectionsPerAddress": 1.5}}"#,
                "a whole number from 1", "the number 1.5"
            ),
            ("limits.memory", #"{"limits.memory": "1GiB"}"#, #"{"limits": {"memory": "#, "behind the dot"),
        ])
    func wrongShape(key: String, config: String, expected: String, found: String) async throws {
        let error = try await error(for: config)
        guard case .badValue(key, path, let reason)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(reason.contains(expected) && reason.contains(found), "\(reason)")
    }

    @Test("refuses a value of another shape also where a flag is before it")
    func wrongShapeBehindFlag() async throws {
        try folder.write(#"{"logLevel": 3}"#, to: "config.json")
        var flags = Settings.Flags()
        flags.logLevel = .debug
        let home = try folder.home
        await #expect(throws: SettingsError.self) {
            try await Settings.load(from: home, flags: flags, environment: [:])
        }
    }

    @Test("refuses a key that is there twice")
    func repeatedKey() async throws {
        let error = try await error(for: #"{"allowAnyone": false, "name": "x", "allowAnyone": true}"#)
        guard case .badValue("allowAnyone", path, _)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test("takes a mark of the encoding in front, as some editors write it")
    func byteOrderMark() async throws {
        #expect(try await error(for: "\u{feff}{\"name\": \"x\"}") == nil)
    }

    @Test("has an example of each key that it takes", arguments: SettingKey.allCases)
    func example(key: SettingKey) async throws {
        var config = key.example
        for name in key.rawValue.split(separator: ".").reversed() { config = "{\"\(name)\": \(config)}" }
        #expect(try await error(for: config) == nil, "\(config)")
        let report = try await SettingsReport(ofFile: path)
        let said = report.entries.filter { $0.origin == .file(path) }
        #expect(said.map(\.key) == [key])
        #expect(said.first?.value.description == key.example.replacing(": ", with: ":"))
    }

    @Test("may be another file, which the environment names and which has to be there")
    func otherFile() async throws {
        let other = folder.path + "/other.json"
        let environment = ["CWAY_CONFIG": other]
        try folder.write(#"{"name": "wrong"}"#, to: "config.json")
        await #expect(throws: SettingsError.unreadable(path: other, reason: "No such file or directory")) {
            _ = try await Settings.load(from: folder.home, environment: environment)
        }
        try folder.write(#"{"name": "right"}"#, to: "other.json")
        let settings = try await Settings.load(from: folder.home, environment: environment)
        #expect(settings.name == "right" && settings.unknownVariables.isEmpty)
    }

    @Test("is said to be the origin of what no flag and no variable says")
    func origins() async throws {
        try folder.write(
            #"{"name": "file", "logLevel": "error", "listen": ["*:1"], "instances": {"1": {"services": ["a=1"]}}}"#,
            to: "config.json")
        var flags = Settings.Flags()
        flags.logLevel = .debug
        let report = try await SettingsReport(
            of: folder.home, flags: flags,
            environment: ["CWAY_NAME": "variable", "CWAY_LOG_LEVEL": "notice", "CWAY_NAEM": "x"])
        func entry(_ key: SettingKey) throws -> SettingsReport.Entry {
            try #require(report.entries.first { $0.key == key })
        }
        #expect(try entry(.name).origin == .variable("CWAY_NAME") && entry(.name).value == "variable")
        #expect(try entry(.logLevel).origin == .flag && entry(.logLevel).value == "debug")
        #expect(try entry(.listen).origin == .file(path) && entry(.instances).origin == .file(path))
        #expect(try entry(.publicHost).origin == .standard && entry(.publicHost).value == .null)
        #expect(report.unknownVariables == ["CWAY_NAEM"] && report.entries.count == SettingKey.allCases.count)
    }

    @Test("is described in docs/settings.md, row by row")
    func document() throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../docs/settings.md").standardized
        let rows = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
            .filter { $0.hasPrefix("| `") }.map(String.init)
        let expected = SettingKey.allCases.map { key in
            let meaning = key.meaning
            return "| `\(key.rawValue)` | \(meaning.takes) | \(meaning.standard) | \(meaning.readers) "
                + "| `\(key.example)` | \(meaning.change.rawValue) |"
        }
        for row in expected { #expect(rows.contains(row), "missing: \(row)") }
        for row in rows { #expect(expected.contains(row), "no such setting: \(row)") }
    }
}
