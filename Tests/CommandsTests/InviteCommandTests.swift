import Blinding
import Commands
import Foundation
import Invitation
import Multiserver
import Node
import Testing

@Suite("cway invite")
struct InviteCommandTests {
    private let home = TestedHome()

    @Test("prints the code alone, and everything else for people")
    func create() async throws {
        _ = await home.run("portals", "add", TestedHome.portal)
        let run = await home.run(
            "invite", "create", "--label", "anna", "--service", "web", "--service", "ssh")
        #expect(run.ended(.success) && run.lines.count == 1)
        let code = try InviteCode(run.lines[0])
        #expect(code.endpoint.publicKey.id == (await home.id()))
        #expect(code.portals.map(\.host) == ["portal.example.org"] && !code.portals[0].isOpen)
        let lifetime = Double(code.expiry ?? 0) - Date.now.timeIntervalSince1970
        #expect(abs(lifetime - 7 * 86_400) < 60)
        #expect(run.complaints.contains("anna") && run.complaints.contains("services: ssh, web"))
        #expect(!run.complaints.contains(run.lines[0].dropFirst(20)))
    }

    @Test(
        "names the key that each portal sees, the same for all hosts of one portal, and none where it is open"
    )
    func shownKeys() async throws {
        _ = await home.run("portals", "add", TestedHome.portal)
        let open = TestedHome.portal.replacing("portal.example", with: "open.example")
            .replacing("shs:51", with: "shs:52")
        _ = await home.run("portals", "add", open, "--open")
        let seen = try await home.run("portals", "list", "--json").list.map { $0["seenAs"] as? String }
        #expect(Set(seen).count == 2)
        let known = try InviteCode(await home.invite())
        #expect(known.portals.map(\.isOpen) == [false, true])
        #expect(known.portals.map { $0.shownKey?.id } == [seen[0], nil])

        let second = TestedHome.portal.replacing("portal.example.org", with: "192.0.2.1")
        let several = try InviteCode(
            await home.invite("--portal", TestedHome.portal, "--portal", second, "--portal", open))
        #expect(several.portals.map(\.host) == ["portal.example.org", "192.0.2.1", "open.example.org"])
        #expect(several.portals.map { $0.shownKey?.id } == [seen[0], seen[0], nil])
    }

    @Test("says of a portal on this machine that its reader has to be there too")
    func local() async throws {
        for (host, isSaid) in [
            ("127.0.0.1", true), ("localhost", true), ("::1", true), ("192.168.0.1", false),
        ] {
            let portal = TestedHome.portal.replacing("portal.example.org", with: host)
            let run = await home.run("invite", "create", "--portal", portal)
            #expect(run.ended(.success) && run.complaints.contains("--allow-local") == isSaid, "\(run)")
        }
    }

    @Test("prints JSON with the id that the list shows")
    func json() async throws {
        let run = await home.run(
            "invite", "create", "--json", "--uses", "3", "--expires", "never", "--portal", TestedHome.portal)
        let invite = try run.object
        #expect(
            Set(invite.keys) == ["id", "code", "label", "services", "uses", "expires", "portals"])
        #expect(invite["services"] is NSNull && invite["expires"] is NSNull && invite["uses"] as? Int == 3)
        let listed = try #require(try await home.run("invite", "list", "--json").list.first)
        #expect(listed["id"] as? String == invite["id"] as? String)
        #expect(
            Set(listed.keys) == [
                "id", "label", "state", "uses", "usesLeft", "services", "created", "expires", "closed",
            ])
        #expect(listed["state"] as? String == "open" && listed["usesLeft"] as? Int == 3)
        #expect(listed["code"] == nil)
    }

    @Test("draws the code below it")
    func drawing() async throws {
        let run = await home.run("invite", "create", "--qr", "--portal", TestedHome.portal)
        #expect(run.ended(.success) && run.lines.count > 20)
        #expect(run.lines[0].hasPrefix(InviteCode.prefix))
        #expect(run.lines.dropFirst().allSatisfy { $0.allSatisfy { "█▀▄ ".contains($0) } })
    }

    @Test("prints the code also where it is too long to be drawn")
    func tooLongToDraw() async throws {
        let host = Array(repeating: String(repeating: "a", count: 61), count: 4).joined(separator: ".")
        let portals = (UInt8(1)...8).flatMap { key in
            ["--portal", "net:\(host):8008~shs:\(Data(repeating: key, count: 32).base64EncodedString())"]
        }
        let run = await CommandRun(["invite", "create", "--qr", "--home", home.path] + portals)
        #expect(run.ended(.unexpected) && run.complaints.contains("too many for a QR code"), "\(run)")
        #expect(try InviteCode(try #require(run.lines.first)).portals.count == 8)
        #expect(try await home.run("invite", "list", "--json").list.first?["state"] as? String == "open")
    }

    @Test("is taken back by label or by the beginning of its id")
    func revoke() async throws {
        _ = await home.run("portals", "add", TestedHome.portal)
        _ = try await home.invite("--label", "anna")
        _ = try await home.invite("--label", "bob")
        _ = try await home.invite("--label", "bob")
        #expect(await home.run("invite", "revoke", "anna").ended(.success))
        let again = await home.run("invite", "revoke", "anna")
        #expect(again.ended(.success) && again.output.contains("closed already: revoked"))
        #expect(await home.run("invite", "revoke", "bob").ended(.usage))
        #expect(await home.run("invite", "revoke", "@").ended(.notFound))
        #expect(await home.run("invite", "revoke", "").ended(.notFound))
        let open = try await home.run("invite", "list", "--json").list.filter {
            $0["state"] as? String == "open"
        }
        let id = try #require(open.first?["id"] as? String)
        #expect(await home.run("invite", "revoke", String(id.prefix(12))).ended(.success))
        // The label means the one that is left.
        #expect(await home.run("invite", "revoke", "bob").output.hasPrefix("revoked"))
        let states = try await home.run("invite", "list", "--json").list.map { $0["state"] as? String }
        #expect(states == ["revoked", "revoked", "revoked"])
        #expect(await home.run("invite", "list").lines.count == 4)
    }

    @Test("refuses what cannot be an invite")
    func refusals() async {
        let lonely = await home.run("invite", "create")
        #expect(lonely.ended(.usage) && lonely.complaints.contains("cway portals add"))
        for options in [
            ["--uses", "0"], ["--uses", "1001"], ["--expires", "0d"], ["--expires", "soon"],
            ["--label", String(repeating: "x", count: 300)], ["--service", ""], ["--service", "x=y"],
            ["--service", "ssh", "--service", "Web"], ["--qr", "--json"],
        ] {
            let line = ["invite", "create", "--home", home.path, "--portal", TestedHome.portal] + options
            let run = await CommandRun(line)
            #expect(run.ended(.usage) && run.output.isEmpty, "\(options) \(run)")
        }
        #expect(await home.run("invite", "list", "--json").output == "[]\n")
    }
}
