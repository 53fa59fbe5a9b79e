import Commands
import Multiserver
import Node
import Testing
import TypedSodium

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

    @Test("gives the circle's key to friends alone, though anyone may connect", .timeLimit(.minutes(2)))
    func grants() async throws {
        try await OwnedNetwork.run(serving: ["--visible", "--allow-anyone"]) { network in
            let stranger = TestedHome()
            let target = try PublicKey(id: await network.owner.id())
            let address = "\(try TunnelAddress(portal: network.portal.key, target: target))"
            let portal = "\(network.portal)"
            let known = await stranger.run("call", address, "whoami", "--portal", portal)
            #expect(known.ended(.success), "\(known)")
            let refused = await stranger.run("call", address, "circle.grant", "--portal", portal)
            #expect(!refused.ended(.success) && refused.output.isEmpty, "\(refused)")
            #expect(refused.complaints.contains("friends in the keyring only"), "\(refused)")
        }
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
