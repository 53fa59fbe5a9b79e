import Foundation
import MuxRPC
import Node
import Testing

@Suite("cway service")
struct ServiceCommandTests {
    /// The folder of the package's units.
    private static let packaged = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent(".ci/package.d/units")

    @Test(
        "has the package's units in it, byte for byte",
        arguments: [
            ServiceUnit(.portal, .system), ServiceUnit(.serve, .user), ServiceUnit(.connect, .user),
        ])
    func packagedUnits(_ unit: ServiceUnit) throws {
        for file in unit.files() {
            let packaged = Self.packaged.appendingPathComponent("\(unit.scope.rawValue)/\(file.name)")
            let text = try String(contentsOf: packaged, encoding: .utf8)
            #expect(text == file.text, "write it anew: \(packaged.path)")
        }
    }

    /// Another value would take a key's place in silence; only lists grow.
    @Test("gives each key once, and starts its units by themselves", arguments: ServiceUnit.Role.allCases)
    func keys(_ role: ServiceUnit.Role) throws {
        for file in ServiceUnit.Scope.allCases.flatMap({ ServiceUnit(role, $0).files() }) {
            var (sections, section) = ([String: [String: Int]](), "")
            for line in file.text.split(separator: "\n") where !line.hasPrefix("#") {
                if line.hasPrefix("[") {
                    section = String(line)
                } else {
                    sections[section, default: [:]][String(line.prefix { $0 != "=" }), default: 0] += 1
                }
            }
            let kind = file.name.hasSuffix(".socket") ? "[Socket]" : "[Service]"
            #expect(Set(sections.keys) == ["[Unit]", kind, "[Install]"], "\(file.name)")
            #expect(sections["[Install]"]?["WantedBy"] == 1, "\(file.name)")
            let lists: Set = ["After", "Environment", "ListenStream", "SystemCallFilter"]
            for (name, keys) in sections {
                let repeated = keys.filter { $0.value > 1 && !lists.contains($0.key) }
                #expect(repeated.isEmpty, "\(file.name) \(name)")
            }
            if kind == "[Service]" {
                for key in ["ExecStart", "Restart", "Type", "WatchdogSec"] {
                    #expect(sections[kind]?[key] == 1, "\(file.name): \(key)")
                }
            }
        }
    }

    private static func run(_ words: String...) async -> CommandRun {
        await CommandRun(["service"] + words, environment: ["HOME": "/nowhere/anna"])
    }

    @Test("prints what it would do, with every file and every command line")
    func dryRun() async throws {
        let run = await Self.run(
            "install", "portal", "--system", "--dry-run", "--listen", "*:443", "--", "--public-host",
            "portal.example.org")
        #expect(run.ended(.success), "\(run.complaints)")
        for line in [
            "    Type=notify", "    ListenStream=443", "    ARGUMENTS=--public-host portal.example.org",
            "run systemctl restart cway-portal.socket cway-portal.service",
        ] {
            #expect(run.lines.contains(line), "\(line): \(run.output)")
        }
    }

    @Test("says what lingering is, and prints steps for programs")
    func lingering() async throws {
        let run = await Self.run("install", "serve", "--user", "--dry-run", "--json")
        #expect(run.ended(.success), "\(run.complaints)")
        #expect(run.complaints.contains("loginctl enable-linger"))
        let object = try run.object
        #expect(object["done"] as? Bool == false && object["lingers"] as? Bool == false)
        let steps = try #require(object["steps"] as? [[String: Any]])
        #expect(steps[0]["write"] as? String == "/nowhere/anna/.config/systemd/user/cway-serve.service")
        #expect(
            steps.last?["run"] as? [String] == [
                "systemctl", "--user", "enable", "--now", "cway-serve.service",
            ])
    }

    @Test("checks the words that are for the command")
    func words() async {
        for (words, reason) in [
            (["install", "portal", "--", "--publik-host", "x"], "--public-host"),
            (["install", "serve", "--", "--service", "ssh"], "NAME=PORT"),
            (["install", "connect", "web", "--", "home", "web"], "--listen"),
            (["install", "connect", "web"], "behind --"), (["install", "connect"], "has a name"),
            (["install", "serve", "web"], "leave 'web' out"),
            (["install", "relay"], "portal, serve, connect"),
            (["install", "connect", "a-b", "--", "home", "web", "--listen", "1"], "letters"),
            (["install", "serve", "--listen", "8008"], "for the portal"),
            (["install", "serve", "--user", "--system"], "one of"),
            (["install", "serve", "--home", "relative"], "whole path"),
        ] {
            let run = await CommandRun(["service"] + words, environment: ["HOME": "/nowhere/anna"])
            #expect(run.ended(.usage), "\(words): \(run.code) \(run.complaints)")
            #expect(run.complaints.contains(reason), "\(words): \(run.complaints)")
        }
    }

    @Test("has a word for a machine without systemd")
    func withoutSystemd() async {
        guard !FileManager.default.fileExists(atPath: "/run/systemd/system") else { return }
        let install = await Self.run("install", "serve", "--user")
        #expect(install.ended(.serviceFailed) && install.output.contains("Type=notify"))
        #expect(install.complaints.contains("systemd does not run here, so nothing was done"))
        let remove = await Self.run("remove", "connect", "web", "--user")
        #expect(remove.ended(.serviceFailed) && remove.output.contains("run systemctl --user disable --now"))
        let status = await Self.run("status", "portal")
        #expect(status.ended(.serviceFailed) && status.output.isEmpty)
    }
}
