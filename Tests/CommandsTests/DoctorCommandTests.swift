import Commands
import Foundation
import Node
import Testing

@Suite("cway doctor")
struct DoctorCommandTests {
    private let home = TestedHome()

    /// What it printed as JSON: an object on each line, of which none has other keys than the help text says.
    private func findings(_ run: CommandRun) throws -> [[String: Any]] {
        try run.lines.map { line in
            let finding = try #require(
                try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], "\(line)")
            #expect(Set(finding.keys) == ["hop", "verdict", "words", "remedy"])
            #expect(
                !(finding["hop"] as? String ?? "").isEmpty && !(finding["words"] as? String ?? "").isEmpty)
            return finding
        }
    }

    /// The one finding with which it could not go on.
    private func end(of run: CommandRun) throws -> (hop: String, words: String, remedy: String) {
        let findings = try findings(run)
        #expect(findings.count == 1 && findings.first?["verdict"] as? String == "bad", "\(run)")
        let texts = try #require(findings.first as? [String: String], "\(run)")
        return (texts["hop"] ?? "", texts["words"] ?? "", texts["remedy"] ?? "")
    }

    @Test("gives programs the words and the remedy that people get")
    func remedies() async throws {
        let nobody = "net:127.0.0.1:1~shs:51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8="
        _ = await home.run("portals", "add", nobody)
        let run = await home.run("doctor", "--json")
        #expect(run.ended(.unhealthy) && !run.complaints.contains("✗"), "\(run)")
        let findings = try findings(run)
        #expect(
            findings.map { $0["hop"] as? String } == [
                "cipher", "identity", "keyring", "serve", "portal 127.0.0.1:1", "address",
            ])
        for finding in findings {
            #expect((finding["remedy"] is NSNull) == (finding["verdict"] as? String == "good"), "\(finding)")
        }
        let portal = try #require(findings.dropLast().last)
        let (words, remedy) = (portal["words"] as? String ?? "", portal["remedy"] as? String ?? "")
        #expect(words.hasPrefix("portal not reachable at 127.0.0.1:1 (") && words.hasSuffix(")"))
        #expect(remedy == "check the address, and that it runs")
        let shown = await home.run("doctor")
        #expect(shown.ended(.unhealthy) && shown.complaints.contains("✗"))
        #expect(shown.output.contains("✗ portal 127.0.0.1:1: \(words)\n    → \(remedy)\n"), "\(shown)")
    }

    @Test("tells a program of a keyring that is damaged")
    func damagedKeyring() async throws {
        _ = await home.run("portals", "add", TestedHome.portal)
        let file = try #require(FileHandle(forUpdatingAtPath: home.path + "/keyring.mdb"))
        try file.truncate(atOffset: 8192)
        let run = await home.run("doctor", "--json")
        #expect(run.ended(.keyringUnusable) && run.complaints.hasPrefix("cway: the store "), "\(run)")
        let finding = try end(of: run)
        #expect(finding.hop == "keyring" && finding.words.contains("keyring.mdb has 8192 of "), "\(finding)")
        #expect(finding.remedy.contains("'cway keyring restore'"), "\(finding)")
        // People read the sentence with which the command ends.
        #expect(await home.run("doctor").output.isEmpty)
    }

    @Test("tells a program of an identity, settings or a friend that it cannot look at")
    func earlyFailures() async throws {
        _ = await home.id()
        let stranger = await home.run("doctor", "zoe", "--json")
        #expect(stranger.ended(.notFound))
        #expect(try end(of: stranger).hop == "friend zoe")

        let settings = home.path + "/config.json"
        try Data("{".utf8).write(to: URL(fileURLWithPath: settings))
        let unset = await home.run("doctor", "--json")
        #expect(unset.ended(.settingsUnusable))
        #expect(try end(of: unset).hop == "settings")
        try FileManager.default.removeItem(atPath: settings)
        let line = ["doctor", "--json", "--home", home.path]
        let misset = await CommandRun(line, environment: ["CWAY_LOG_LEVEL": "nonsense"])
        #expect(misset.ended(.settingsUnusable))
        #expect(try end(of: misset).remedy.hasPrefix("write one of "))

        let secret = home.path + "/secret"
        for content in ["", "{}"] {
            try Data(content.utf8).write(to: URL(fileURLWithPath: secret))
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: secret)
            let run = await home.run("doctor", "--json")
            #expect(run.ended(.identityUnusable), "\(run)")
            let finding = try end(of: run)
            #expect(finding.hop == "identity" && finding.remedy.hasPrefix("restore it from a backup"))
        }
        // Without its identity the keyring is another's.
        try FileManager.default.removeItem(atPath: secret)
        let orphan = await home.run("doctor", "--json")
        #expect(orphan.ended(.keyringUnusable))
        #expect(try end(of: orphan).hop == "keyring")
    }
}
