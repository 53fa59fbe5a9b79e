import Commands
import Foundation
import Node
import Testing

@Suite("cway keyring")
struct KeyringCommandTests {
    private let home = TestedHome()

    private var backup: String { home.path + "/backup" }

    private func prepare() async throws {
        _ = await home.run("portals", "add", TestedHome.portal)
        _ = try await home.invite("--label", "somebody")
        for name in ["anna", "bob"] {
            let friend = TestedHome()
            _ = await home.run("friend", "allow", await friend.id(), "--all", "--name", name)
        }
        #expect(await home.run("keyring", "backup", backup).ended(.success))
    }

    @Test("is checked, for people and for programs")
    func check() async throws {
        try await prepare()
        let run = await home.run("keyring", "check", "--in-process", "--json")
        let report = try run.object
        #expect(
            Set(report.keys) == ["owner", "copied", "sequence", "vault", "friends", "invites", "entries"])
        #expect(report["vault"] as? String == "matching" && report["friends"] as? Int == 2)
        #expect(report["owner"] as? String == (await home.id()) && report["copied"] is NSNull)
        #expect(await home.run("keyring", "check", "--in-process").output.contains("is intact"))
    }

    @Test("is not there yet in a new home, which is no damage")
    func absence() async throws {
        for (arguments, remedy) in [
            (["check"], "invite create"), (["check", "--json"], "invite create"),
            (["backup", backup], "invite create"), (["restore", "--keep-all"], "keyring restore FILE"),
        ] {
            let run = await CommandRun(["keyring"] + arguments + ["--home", home.path])
            #expect(run.ended(.notFound) && run.output.isEmpty, "\(arguments) \(run)")
            #expect(run.complaints.hasPrefix("cway: there is no keyring yet"), "\(run)")
            #expect(run.complaints.contains("`cway \(remedy)`"), "\(run)")
        }
        try await prepare()
        // Where its vault is, there was one.
        try FileManager.default.removeItem(atPath: home.path + "/keyring.mdb")
        #expect(await home.run("keyring", "check", "--in-process").ended(.keyringUnusable))
        #expect(await home.run("keyring", "restore", "--keep-all").ended(.keyringUnusable))
    }

    @Test("is checked in a child, whose signal is told")
    func child() async throws {
        try await prepare()
        let healthy = try BuiltCway("keyring", "check", "--home", home.path)
        #expect(try await healthy.code() == 0 && healthy.output.contains("friends  2"))
        // Pages of the mapping that are not in the file any more end whoever touches them.
        let path = home.path + "/keyring.mdb"
        let file = try #require(FileHandle(forUpdatingAtPath: path))
        try file.truncate(atOffset: 8192)
        let damaged = try BuiltCway("keyring", "check", "--home", home.path)
        #expect(try await damaged.code() == ExitStatus.keyringUnusable.rawValue, "\(damaged.complaints)")
        #expect(damaged.complaints.contains("cway keyring restore"))
    }

    @Test("backs up to a file that was not there")
    func copies() async throws {
        #expect(await home.run("keyring", "backup", backup).ended(.notFound))
        try await prepare()
        let again = await home.run("keyring", "backup", backup)
        #expect(again.ended(.keyringUnusable) && again.complaints.contains(backup))
    }

    @Test("restores what is to be kept, and says what was done")
    func restore() async throws {
        try await prepare()
        _ = await home.run("friend", "remove", "bob")
        let blind = await home.run("keyring", "restore", backup)
        #expect(blind.ended(.usage) && blind.complaints.contains("--keep"))
        let careful = await home.run("keyring", "restore", backup, "--keep-all")
        #expect(careful.ended(.usage) && careful.complaints.contains("--force"))
        #expect(await home.run("keyring", "restore", "--keep-all", "--keep-none").ended(.usage))

        let address = await home.run("address").output
        let misspelt = await home.run(
            "keyring", "restore", backup, "--keep", "anna", "--keep", "zoe", "--force")
        #expect(misspelt.ended(.notFound) && misspelt.complaints.contains("'zoe'"))
        #expect(await home.run("address").output == address)
        let run = await home.run("keyring", "restore", backup, "--keep", "anna", "--force")
        #expect(
            run.ended(.success)
                && run.output.hasPrefix("restored; friends kept: 1, dropped: 1\ndropped bob @"))
        #expect(run.complaints.contains("revoked: 1"))
        #expect(try await home.run("friend", "list", "--json").list.map { $0["name"] as? String } == ["anna"])
        #expect(try await home.run("invite", "list", "--json").list.first?["state"] as? String == "revoked")
        #expect(await home.run("address").output != address)
    }

    @Test("asks of each friend on a terminal, and takes silence for no")
    func asking() async throws {
        try await prepare()
        let run = await home.run("keyring", "restore", backup, "--force", input: ["Yes"], isInteractive: true)
        #expect(run.ended(.success) && run.complaints.contains("Is anna (@"))
        #expect(run.output.contains("kept: 1, dropped: 1") && run.output.contains("dropped bob"))
    }
}
