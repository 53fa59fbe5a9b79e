import Foundation
import Multiserver
import Node
import Testing
import TypedSodium

@Suite("Instances in config.json")
struct InstanceSettingsTests {
    private static let id = "@51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8=.ed25519"
    private static let portal = "net:portal.example.org:8008~shs:51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8="

    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func load(_ config: String, flags: Settings.Flags = .init()) async throws -> Settings {
        try folder.write(config, to: "config.json")
        return try await Settings.load(from: folder.home, flags: flags, environment: [:])
    }

    @Test("have services, permissions and portals of their own, and nothing of instance 0")
    func read() async throws {
        let settings = try await load(
            """
            {"services": ["web=localhost:80"], "allowAnyone": true, "instances": {
              "1": {"services": ["ssh=localhost:22", "git=unix:/run/git"], "allow": ["\(Self.id)"]},
              "20": {"services": ["pub=localhost:1"], "allowAnyone": true, "portals": ["\(Self.portal)"]}}}
            """)
        #expect(settings.instances.keys.sorted() == [1, 20])
        let first = try #require(settings.instances[1])
        #expect(first.services.map(\.name) == ["ssh", "git"] && first.allow.map(\.id) == [Self.id])
        #expect(!first.allowAnyone && first.portals.isEmpty)
        let last = try #require(settings.instances[20])
        #expect(last.allowAnyone && last.allow.isEmpty && "\(last.portals[0])" == Self.portal)
        #expect(settings.services.map(\.name) == ["web"] && settings.allow.isEmpty)
    }

    @Test("give way to what the command line says of the same one, whole")
    func flags() async throws {
        var other = InstanceSettings()
        other.services = [try ServiceSetting("x=localhost:1")]
        var flags = Settings.Flags()
        flags.instances = [1: other, 3: other]
        let settings = try await load(
            """
            {"instances": {"1": {"services": ["a=localhost:1"], "allowAnyone": true},
              "2": {"services": ["b=localhost:1"]}}}
            """, flags: flags)
        #expect(settings.instances[1] == other && settings.instances[3] == other)
        #expect(settings.instances[2]?.services.map(\.name) == ["b"])
    }

    @Test(
        "are refused where they are none, by their place",
        arguments: [
            (#"[]"#, "'instances'", "a list"), (#"{"x": {}}"#, "'instances.x'", "number of an instance"),
            (#"{"0": {}}"#, "'instances.0'", "stands outside"),
            (#"{"-1": {}}"#, "'instances.-1'", "from 1 on"),
            (#"{"1": []}"#, "'instances.1'", "a list"), (#"{"1": {}}"#, "'instances.1'", "offers nothing"),
            (#"{"1": {"allowAnyone": true}}"#, "'instances.1'", "offers nothing"),
            (#"{"1": {"servces": []}}"#, "'instances.1.servces'", "'services'"),
            (#"{"1": {"name": "x"}}"#, "'instances.1.name'", "unknown"),
            (#"{"1": {"services": "a=localhost:1"}}"#, "'instances.1.services'", "a text"),
            (#"{"1": {"services": ["a"]}}"#, "'instances.1.services'", "no target"),
            (#"{"1": {"services": ["a=localhost:1"], "allow": ["x"]}}"#, "'instances.1.allow'", "id"),
            (
                #"{"1": {"services": ["a=localhost:1"], "instances": {}}}"#, "'instances.1.instances'",
                "unknown"
            ),
        ])
    func refused(instances: String, place: String, words: String) async throws {
        do {
            _ = try await load(#"{"instances": "# + instances + "}")
            Issue.record("taken")
        } catch let error as SettingsError {
            #expect(error.description.contains(place) && error.description.contains(words), "\(error)")
        }
    }
}
