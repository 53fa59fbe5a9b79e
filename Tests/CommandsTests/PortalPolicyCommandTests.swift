import Commands
import Foundation
import Invitation
import Keyring
import Multiserver
import Node
import Testing

@Suite("cway portal policy, members, deny and invite")
struct PortalPolicyCommandTests {
    private static let id = "@\(Data(repeating: 9, count: 32).base64EncodedString()).ed25519"

    private let home = TestedHome()

    @Test("a second portal of one home is refused with a sentence, and what only looks is not")
    func second() async throws {
        #expect(await home.run("portal", "policy").ended(.success))
        let lock = try ServingLock(folder: home.path)
        let run = await home.run("portal", "--listen", "127.0.0.1:0")
        #expect(run.ended(.keyringUnusable), "\(run)")
        #expect(run.complaints.contains("serves from this keyring already"))
        #expect(await home.run("portal", "members").ended(.success))
        _ = consume lock
    }

    @Test("the policy is printed, and changed by what is named")
    func policy() async throws {
        #expect(
            await home.run("portal", "policy").lines == [
                "announce  everyone", "call      everyone", "members   0",
            ])
        let run = await home.run("portal", "policy", "--announce", "members", "--json")
        let policy = try run.object
        #expect(Set(policy.keys) == ["announce", "call", "members", "denied"])
        #expect(policy["announce"] as? String == "members" && policy["call"] as? String == "everyone")
        #expect(try await home.run("portal", "policy", "--json").object["announce"] as? String == "members")
        #expect(await home.run("portal", "policy", "--call", "nobody").ended(.usage))
    }

    @Test("members come and go by id")
    func members() async throws {
        #expect(await home.run("portal", "members", "list", "--json").output == "[]\n")
        #expect(await home.run("portal", "members", "add", Self.id, "--label", "server").ended(.success))
        let member = try #require(try await home.run("portal", "members", "list", "--json").list.first)
        #expect(Set(member.keys) == ["id", "label", "since", "invite"])
        #expect(member["id"] as? String == Self.id && member["invite"] is NSNull)
        #expect(await home.run("portal", "members").lines.count == 2)
        #expect(await home.run("portal", "members", "remove", Self.id).ended(.success))
        #expect(await home.run("portal", "members", "remove", Self.id).ended(.notFound))
        #expect(await home.run("portal", "members", "add", "me").ended(.usage))
    }

    @Test("whoever is denied stands in the policy until allowed again")
    func denial() async throws {
        #expect(await home.run("portal", "deny", Self.id).ended(.success))
        #expect(try await home.run("portal", "policy", "--json").object["denied"] as? [String] == [Self.id])
        #expect(await home.run("portal", "allow", Self.id).ended(.success))
        #expect(await home.run("portal", "allow", Self.id).ended(.notFound))
    }

    @Test("an invite is a code that ssb clients know, and is listed without it")
    func invites() async throws {
        #expect(await home.run("portal", "invite").ended(.usage))
        let run = await home.run(
            "portal", "invite", "--label", "server", "--uses", "2", "--public-host", "portal.example.org:8008"
        )
        #expect(run.ended(.success) && run.lines.count == 1)
        let invite = try PortalInvite(run.lines[0])
        #expect(invite.portal.net.host == "portal.example.org")
        #expect(invite.portal.key.id == (await home.id()))
        let listed = try #require(try await home.run("portal", "invites", "list", "--json").list.first)
        #expect(
            Set(listed.keys) == ["id", "label", "state", "uses", "usesLeft", "created", "expires", "closed"])
        #expect(await home.run("portal", "invites", "revoke", "server").output.hasPrefix("revoked"))
        #expect(await home.run("portal", "invites").output.contains("revoked"))
    }

    @Test("an invite names the public host of the settings, and the port that they listen at")
    func publicHost() async throws {
        _ = await home.id()
        let config = #"{"listen": ["*:9009"], "publicHost": "portal.example.net"}"#
        try Data(config.utf8).write(to: URL(fileURLWithPath: home.path + "/config.json"))
        let run = await home.run("portal", "invite")
        #expect(run.code == 0)
        let place = try PortalInvite(try #require(run.lines.first)).portal.net
        #expect(place.host == "portal.example.net" && place.port == 9009)
    }

    @Test("an invite names no address that leads to no machine")
    func everyInterface() async throws {
        _ = await home.id()
        for listen in ["*:9009", "0.0.0.0:9009", "[::]:9009"] {
            try Data(#"{"listen": ["\#(listen)"]}"#.utf8).write(
                to: URL(fileURLWithPath: home.path + "/config.json"))
            #expect(await home.run("portal", "invite").ended(.usage))
        }
    }

    @Test("an invite is printed as JSON, with the id that the list shows")
    func json() async throws {
        let run = await home.run(
            "portal", "invite", "--json", "--label", "server", "--uses", "2", "--expires", "never",
            "--public-host", "portal.example.org:8008")
        let invite = try run.object
        #expect(run.ended(.success) && run.complaints.isEmpty)
        #expect(Set(invite.keys) == ["id", "code", "label", "uses", "expires", "portal"])
        #expect(invite["label"] as? String == "server" && invite["uses"] as? Int == 2)
        #expect(invite["expires"] is NSNull)
        let code = try PortalInvite(try #require(invite["code"] as? String))
        #expect(invite["portal"] as? String == "\(code.portal)")
        let listed = try #require(try await home.run("portal", "invites", "list", "--json").list.first)
        #expect(listed["id"] as? String == invite["id"] as? String && listed["state"] as? String == "open")
    }

    @Test("still runs a portal without a subcommand")
    func run() async {
        let run = await home.run("portal")
        #expect(run.ended(.usage) && run.complaints.contains("--listen"))
    }
}
