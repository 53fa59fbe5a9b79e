import Commands
import Foundation
import Node
import Testing

/// What a package brings beside the program, made from the commands.
@Suite("Settings, completions and manual")
struct ReferenceTests {
    private let folder: String

    init() throws {
        folder = FileManager.default.temporaryDirectory.path + "/cway-reference-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    private func write(_ text: String, to name: String) throws -> String {
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
        return "\(folder)/\(name)"
    }

    @Test("`settings` prints each key with its value and origin, for people and for programs")
    func settings() async throws {
        let path = try write(
            #"{"listen": ["*:8008"], "publicHost": "portal.example.org"}"#, to: "config.json")
        let environment = ["CWAY_HOME": folder, "CWAY_LOG_LEVEL": "debug", "CWAY_LISTNE": "x"]
        let words = await CommandRun("settings", environment: environment)
        #expect(words.code == 0 && words.lines.count == SettingKey.allCases.count + 1)
        for key in SettingKey.allCases { #expect(words.lines.contains { $0.hasPrefix(key.rawValue) }) }
        #expect(words.lines.contains { $0.hasPrefix("listen ") && $0.hasSuffix(path) })
        #expect(words.lines.contains { $0.hasPrefix("logLevel ") && $0.hasSuffix("CWAY_LOG_LEVEL") })
        #expect(words.complaints.contains("CWAY_LISTNE means nothing: did you mean CWAY_LISTEN?"))
        let object = try await CommandRun("settings", "--json", environment: environment).object
        let listen = try #require(object["listen"] as? [String: Any])
        #expect(listen["value"] as? [String] == ["*:8008"])
        #expect(listen["origin"] as? String == "file" && listen["place"] as? String == path)
        let memory = try #require(object["limits.memory"] as? [String: Any])
        #expect(memory["value"] is NSNull && memory["origin"] as? String == "default")
    }

    @Test("`settings --check` looks at one file alone")
    func check() async throws {
        let environment = ["CWAY_HOME": folder, "CWAY_LOG_LEVEL": "nonsense"]
        let good = try write(#"{"services": ["a=localhost:1"]}"#, to: "good.json")
        let run = await CommandRun("settings", "--check", good, environment: environment)
        #expect(run.code == 0 && run.output.contains("says 1 of \(SettingKey.allCases.count) settings"))
        for (config, words) in [
            (#"{"listne": []}"#, "write 'listen'"), (#"{"name": ""}"#, "1 to"),
            (#"{"services": ["a=localhost:1", "a=localhost:2"]}"#, "same name, a"), ("[", "no JSON object"),
        ] {
            let path = try write(config, to: "bad.json")
            let run = await CommandRun("settings", "--check", path, environment: environment)
            #expect(run.code == ExitStatus.settingsUnusable.rawValue && run.output.isEmpty)
            #expect(run.complaints.contains(words) && run.complaints.contains(path), "\(run.complaints)")
        }
        let missing = await CommandRun("settings", "--check", folder + "/none.json", environment: environment)
        #expect(missing.code == ExitStatus.settingsUnusable.rawValue)
    }

    @Test("each shell gets a script that it takes", arguments: ["bash", "zsh", "fish"])
    func completions(shell: String) async throws {
        let run = await CommandRun("completions", shell)
        #expect(run.code == 0 && run.complaints.isEmpty)
        for word in ["invite", "speedtest", "public-host"] { #expect(run.output.contains(word), "\(word)") }
        guard
            let program = ["/bin", "/usr/bin"].map({ "\($0)/\(shell)" })
                .first(where: FileManager.default.isExecutableFile(atPath:))
        else { return }
        let path = try write(run.output, to: "script")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = ["-n", path]
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
    }

    @Test("another shell is refused")
    func otherShell() async {
        #expect(await CommandRun("completions", "csh").code == ExitStatus.usage.rawValue)
    }

    @Test("the manual has a page for each command, with all its options")
    func manual() async throws {
        let names = await CommandRun("manual").lines
        #expect(Set(names).count == names.count)
        for name in ["cway.1", "cway-portal-run.1", "cway-invite-create.1", "companionway.json.5"] {
            #expect(names.contains(name))
        }
        #expect(!names.contains { $0.contains("conformance") || $0.contains("manual") })
        for name in names where name.hasSuffix(".1") {
            let page = await CommandRun(["manual", name], environment: ["SOURCE_DATE_EPOCH": "86400"])
            #expect(page.code == 0 && page.output.hasPrefix(".TH ") && page.output.contains("1970\\-01\\-02"))
            let words = name.dropLast(2).split(separator: "-").dropFirst().map(String.init)
            let help = await CommandRun(["help"] + words).output
            let options = help.matches(of: #/\n  (--[a-z-]+)/#).map { String($0.output.1) }
            for option in options {
                let shown = option.replacing("-", with: "\\-")
                #expect(page.output.contains("\\fB\(shown)\\fR"), "\(name) \(option)")
            }
        }
        let settings = await CommandRun("manual", "companionway.json.5").output
        for key in SettingKey.allCases { #expect(settings.contains("\\fB\(key.rawValue)\\fR")) }
        #expect(await CommandRun("manual", "cway-nothing.1").code == ExitStatus.usage.rawValue)
    }

    @Test("a page has what its command's help has, and nothing that troff takes for an order")
    func page() async throws {
        let page = await CommandRun("manual", "cway-portal-run.1").output
        for part in [".SH \"NAME\"", "\\fB\\-\\-listen\\fR \\fIhost:port\\fR", ".SH \"EXAMPLES\"", ".nf"] {
            #expect(page.contains(part), "\(part)")
        }
        let orders: Set = [".TH", ".SH", ".TP", ".PP", ".RS", ".RE", ".nf", ".fi"]
        for line in page.split(separator: "\n") where line.hasPrefix(".") || line.hasPrefix("'") {
            #expect(orders.contains(String(line.prefix { $0 != " " })), "\(line)")
        }
    }
}
