import Commands
import Foundation
import Multiserver
import Node
import Testing
import TypedSodium

@Suite("cway portals")
struct PortalsCommandTests {
    private let home = TestedHome()

    @Test("lists what was added, with the id that the portal sees")
    func list() async throws {
        let empty = await home.run("portals")
        #expect(
            empty.ended(.success) && empty.output.isEmpty && empty.complaints.contains("cway portals add"))
        #expect(await home.run("portals", "list", "--json").output == "[]\n")

        let added = await home.run("portals", "add", " \(TestedHome.portal)\n")
        #expect(added.ended(.success), "\(added.complaints)")
        let portal = try #require(try await home.run("portals", "list", "--json").list.first)
        #expect(
            Set(portal.keys) == [
                "id", "address", "host", "port", "hosts", "announced", "hidden", "seenAs", "inUse", "added",
            ])
        #expect(portal["address"] as? String == TestedHome.portal)
        #expect(portal["port"] as? Int == 8008 && portal["hidden"] as? Bool == true)
        let id = await home.id()
        let pseudonym = try #require(portal["seenAs"] as? String)
        #expect(try PublicKey(id: pseudonym).id != id && added.output.contains(pseudonym))
        let table = await home.run("portals", "list")
        #expect(table.lines.count == 2 && table.lines[1].hasPrefix("portal.example.org:8008  hidden"))
    }

    @Test("opens, hides and removes a portal by any of its names")
    func changes() async throws {
        _ = await home.run("portals", "add", TestedHome.portal)
        let key = try #require(try await home.run("portals", "list", "--json").list.first?["id"] as? String)
        let id = await home.id()
        for name in [key, "portal.example.org:8008", TestedHome.portal] {
            let opened = await home.run("portals", "open", name)
            #expect(opened.ended(.success) && opened.output.contains("open, seen as \(id)"))
            let hidden = await home.run("portals", "hide", name)
            #expect(hidden.ended(.success) && !hidden.output.contains(id))
        }
        // Adding it again at another place does not hide what was opened.
        _ = await home.run("portals", "open", key)
        let moved = TestedHome.portal.replacingOccurrences(of: "8008", with: "8009")
        let added = await home.run("portals", "add", moved)
        #expect(added.output.contains("8009: open") && added.complaints.contains("portal.example.org:8008"))
        #expect(await home.run("portals", "list").lines.count == 3)
        #expect(await home.run("portals", "hide", "portal.example.org:8009").ended(.success))
        let removed = await home.run("portals", "remove", "portal.example.org:8008")
        let left = "the portal is known at portal.example.org:8009"
        #expect(removed.output == "removed portal.example.org:8008; \(left)\n")
        #expect(await home.run("portals", "remove", "portal.example.org:8008").ended(.notFound))
        _ = await home.run("portals", "add", TestedHome.portal)
        let hosts = try await home.run("portals", "list", "--json").list.first?["hosts"] as? [String]
        #expect(hosts == [moved, TestedHome.portal])
        #expect(await home.run("portals", "remove", key).ended(.success), "an id means all hosts")
        #expect(await home.run("portals", "list", "--json").output == "[]\n")
    }

    @Test(
        "refuses what is no portal",
        arguments: [
            "nonsense", "host:8008", "portal.example.org", "tunnel:@A.ed25519:@B.ed25519",
            "cway-invite-1.AAAA", "net:host:8008",
            "host:8008:@51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8=.ed25519~short", "-",
        ])
    func refusals(text: String) async {
        let run = await home.run("portals", "add", text)
        #expect(run.ended(.usage) && run.output.isEmpty && run.complaints.hasPrefix("cway: "), "\(run)")
    }

    @Test("says what an address looks like, and who has it", arguments: ["host:8008", "portal.example.org"])
    func shape(text: String) async {
        let run = await home.run("portals", "add", text)
        let host = text.split(separator: ":")[0]
        #expect(
            run.complaints.contains("net:\(host):8008~shs:KEY") && run.complaints.contains("`cway portal`"))
    }

    @Test("dials once, and warns where nobody, or another key, answers")
    func probe() async throws {
        let nobody = await home.run("portals", "add", "net:127.0.0.1:1~shs:\(try Self.key(7))")
        #expect(nobody.ended(.success) && nobody.complaints.contains("nothing listens there"))
        let home = home
        try await TestedNetwork.run { network in
            let right = await home.run("portals", "add", "\(network.portal)")
            #expect(right.ended(.success) && right.complaints.isEmpty, "\(right)")
            let other = "\(network.portal.net)~shs:\(try Self.key(9))"
            let wrong = await home.run("portals", "add", other)
            #expect(wrong.ended(.success) && wrong.complaints.contains("another key"), "\(wrong)")
        }
    }

    /// The key of somebody, in Base64.
    private static func key(_ number: UInt8) throws -> String {
        try Identity(seed: SecretKey(copying: [UInt8](repeating: number, count: 32).span)).publicKey.base64
    }

    @Test("asks for one portal where a name means several")
    func ambiguous() async throws {
        let other = "net:portal.example.org:8008~shs:\(Data(repeating: 9, count: 32).base64EncodedString())"
        _ = await home.run("portals", "add", TestedHome.portal)
        _ = await home.run("portals", "add", other)
        let run = await home.run("portals", "open", "portal.example.org:8008")
        #expect(run.ended(.usage) && run.complaints.contains("2 portals"))
        #expect(await home.run("portals", "open", other).ended(.success))
    }

    @Test("says which hop failed when an invite's portal does not answer, and stores nothing")
    func unreachable() async throws {
        let code =
            "127.0.0.1:1:@51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8=.ed25519~"
            + Data(repeating: 1, count: 32).base64EncodedString()
        let run = await home.run("portals", "add", "-", input: ["", code])
        #expect(run.ended(.portalUnreachable), "\(run)")
        #expect(await home.run("portals", "list", "--json").output == "[]\n")
    }
}
