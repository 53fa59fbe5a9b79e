import Blinding
import Commands
import Foundation
import Invitation
import Keyring
import Multiserver
import Node
import Testing
import TypedSodium

@Suite("cway friend")
struct FriendCommandTests {
    private let home = TestedHome()

    private func admit(_ name: String, _ options: String...) async throws -> String {
        let id = try Identity.random().publicKey.id
        let run = await CommandRun(
            ["friend", "allow", id, "--name", name, "--home", home.path] + options)
        #expect(run.ended(.success), "\(run)")
        return id
    }

    @Test("lists and shows everybody, for people and for programs")
    func list() async throws {
        let empty = await home.run("friend")
        #expect(
            empty.ended(.success) && empty.output.isEmpty && empty.complaints.contains("cway invite create"))
        #expect(await home.run("friend", "list", "--json").output == "[]\n")

        let id = try await admit("anna", "--service", "web", "--service", "ssh")
        _ = try await admit("bob", "--all")
        let friends = try await home.run("friend", "list", "--json").list
        #expect(friends.map { $0["name"] as? String } == ["anna", "bob"])
        let anna = try #require(friends.first)
        #expect(Set(anna.keys) == ["name", "id", "admission", "reach", "lastSeen"])
        let admission = try #require(anna["admission"] as? [String: Any])
        #expect(Set(admission.keys) == ["services", "invite", "since", "invites", "invitesComplete"])
        #expect(admission["services"] as? [String] == ["ssh", "web"] && anna["reach"] is NSNull)
        let shown = await home.run("friend", "show", id, "--json")
        #expect(try shown.object["name"] as? String == "anna")
        #expect(await home.run("friend", "show", "anna").output.contains(id))
        #expect(await home.run("friend", "list").lines[1].hasPrefix("anna  ssh, web"))
    }

    @Test("says what a friend may open, and only that from then on")
    func allow() async throws {
        let id = try await admit("anna", "--all")
        #expect(
            await home.run("friend", "allow", "anna", "--service", "web").output == "anna may open: web\n")
        #expect(await home.run("friend", "allow", id, "--all").output == "anna may open: all\n")
        #expect(await home.run("friend", "allow", "anna").ended(.usage))
        #expect(await home.run("friend", "allow", "anna", "--all", "--service", "x").ended(.usage))
        #expect(await home.run("friend", "allow", "zoe", "--all").ended(.notFound))
        let named = await home.run("friend", "allow", "anna", "--all", "--name", "anne")
        #expect(named.ended(.usage) && named.complaints.contains("cway friend rename"))
        // A name that no service can have would let nobody in, without a word.
        for name in ["x=y", "Web", "a b", "", String(repeating: "x", count: 65)] {
            let run = await home.run("friend", "allow", "anna", "--service", name)
            #expect(run.ended(.usage) && run.complaints.contains("a-z, 0-9, - and _: write one"), "\(run)")
        }
        #expect(await home.run("friend", "show", "anna").output.contains("all"))
        let own = await home.run("friend", "allow", await home.id(), "--all")
        #expect(own.ended(.usage) && own.complaints.contains("your own"))
    }

    @Test("renames, and keeps names apart")
    func rename() async throws {
        _ = try await admit("anna", "--all")
        _ = try await admit("bob", "--all")
        #expect(await home.run("friend", "rename", "anna", "bob").ended(.usage))
        #expect(await home.run("friend", "rename", "anna", "a b").ended(.usage))
        #expect(await home.run("friend", "rename", "zoe", "zora").ended(.notFound))
        #expect(await home.run("friend", "rename", "anna", "anne").ended(.success))
        #expect(await home.run("friend", "show", "anne").ended(.success))
        #expect(await home.run("friend", "show", "anna").ended(.notFound))
    }

    @Test("removes with every invite that they came by, says who else did, and makes new ones")
    func invites() async throws {
        _ = await home.run("portals", "add", TestedHome.portal)
        let made = await home.run("invite", "create", "--label", "office", "--uses", "5")
        let code = try InviteCode(made.lines.joined())
        let (invite, portals) = (InviteKey(try code.identity().publicKey), code.portals)
        do {
            let identity = try SecretFile(in: Home(path: home.path, environment: [:])).load()
            let keyring = try Keyring(
                folder: home.path, owner: EndpointKey(identity.publicKey), now: WallClock.seconds())
            for _ in 0..<3 {
                let friend = FriendKey(try Identity.random().publicKey)
                _ = try keyring.invites.redeem(invite, by: friend, now: WallClock.seconds())
            }
        }
        let run = await home.run("friend", "remove", "office", "--renew", "--json")
        #expect(run.ended(.success), "\(run)")
        let list = try #require(try run.object["invites"] as? [[String: Any]])
        let found = try #require(list.first)
        #expect(list.count == 1 && found["usesLeft"] as? Int == 2 && found["recorded"] as? Bool == true)
        #expect((found["others"] as? [String])?.sorted() == ["office-2", "office-3"])
        let renewed = try InviteCode(found["renewed"] as? String ?? "").portals
        #expect(renewed == portals)
        let open = try await home.run("invite", "list", "--json").list.filter {
            $0["state"] as? String == "open"
        }
        #expect(open.count == 1 && open.first?["usesLeft"] as? Int == 2)
        let second = await home.run("friend", "remove", "office-2")
        #expect(second.output == "removed office-2\n")
        #expect(second.complaints.contains("was revoked already; also came by it: office-3."))
    }

    @Test("removes, and says what becomes of the others")
    func remove() async throws {
        _ = await home.run("portals", "add", TestedHome.portal)
        _ = try await admit("anna", "--all")
        _ = try await admit("bob", "--all")
        let address = await home.run("address").output
        let run = await home.run("friend", "remove", "anna")
        #expect(run.ended(.success) && run.output == "removed anna\n")
        #expect(run.complaints.contains("the other friend renews by itself"))
        #expect(await home.run("address").output != address)
        #expect(await home.run("friend", "remove", "anna").ended(.notFound))
        #expect(try await home.run("friend", "list", "--json").list.count == 1)
    }
}
