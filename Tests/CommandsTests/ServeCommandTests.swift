import Commands
import Testing

@Suite("cway serve")
struct ServeCommandTests {
    private static let id = "@51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8=.ed25519"

    private let home = TestedHome()

    @Test("refuses to serve nobody, nowhere, or anyone from hiding")
    func refusals() async throws {
        let nobody = await home.run("serve", "--portal", TestedHome.portal)
        #expect(nobody.ended(.usage) && nobody.complaints.contains("cway invite create"))
        let nowhere = await home.run("serve", "--allow-anyone")
        #expect(nowhere.ended(.usage) && nowhere.complaints.contains("cway portals add"))
        let twice = await home.run(
            "serve", "--allow", Self.id, "--service", "a=localhost:1", "--service", "a=localhost:2")
        #expect(twice.ended(.usage) && twice.complaints.contains("same name"))

        _ = await home.run("portals", "add", TestedHome.portal)
        _ = try await home.invite()
        let hidden = await home.run("serve", "--allow-anyone")
        #expect(hidden.ended(.usage) && hidden.complaints.contains("--visible"))
    }

    @Test("refuses to serve from a copy")
    func copy() async throws {
        _ = await home.run("portals", "add", TestedHome.portal)
        _ = try await home.invite()
        let copied = TestedHome()
        _ = await home.run("keyring", "backup", home.path + "/copy")
        try copied.take(from: home)
        let run = await copied.run("serve")
        #expect(run.ended(.keyringUnusable) && run.complaints.contains("cway keyring restore"), "\(run)")
        #expect(await copied.run("keyring", "restore", "--keep-none").ended(.success))
        #expect(await copied.run("portals", "list").ended(.success))
    }
}
