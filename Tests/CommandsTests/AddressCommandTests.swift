import Commands
import Foundation
import Multiserver
import Node
import Testing

@Suite("cway address and cway resolve")
struct AddressCommandTests {
    private static let other =
        "net:[2001:db8::1]:8009~shs:\(Data(repeating: 9, count: 32).base64EncodedString())"

    private let home = TestedHome()

    @Test(
        "prints one address for each portal, which its own keyring resolves",
        arguments: ["sealed", "circle1", "hmac1"])
    func blinded(form: String) async throws {
        _ = await home.run("portals", "add", TestedHome.portal)
        _ = await home.run("portals", "add", Self.other)
        let run = await home.run("address", "--form", form)
        #expect(run.ended(.success) && run.lines.count == 2)
        let id = await home.id()
        #expect(run.lines.allSatisfy { $0.contains(id) == (form != "sealed") })
        #expect(run.complaints.contains("resolves until") == (form != "hmac1"))
        let resolved = await CommandRun(["resolve", "--home", home.path] + run.lines)
        #expect(resolved.ended(.success), "\(resolved)")
        #expect(resolved.lines.allSatisfy { $0.hasSuffix(" " + id) })
        #expect(Set(resolved.lines.map { $0.prefix(8) }) == ["net:port", "net:2001"])
        let one = await home.run("resolve", run.lines[0])
        #expect(one.lines == [resolved.lines[0]])
    }

    @Test("says in JSON when an address changes")
    func json() async throws {
        _ = await home.run("portals", "add", TestedHome.portal)
        let address = try #require(try await home.run("address", "--json").list.first)
        #expect(
            Set(address.keys) == ["address", "form", "portal", "hidden", "rotates", "resolvesUntil"])
        #expect((address["rotates"] as? String)?.hasSuffix("T00:00:00Z") == true)
        let fixed = try #require(try await home.run("address", "--json", "--form", "hmac1").list.first)
        #expect(fixed["rotates"] is NSNull && fixed["resolvesUntil"] is NSNull)
    }

    @Test("refuses the plain form where this node is hidden, with the remedy")
    func plain() async throws {
        let lonely = await home.run("address")
        #expect(lonely.ended(.usage) && lonely.complaints.contains("cway portals add"))
        _ = await home.run("portals", "add", TestedHome.portal)
        let refused = await home.run("address", "--form", "plain")
        #expect(refused.ended(.usage) && refused.output.isEmpty)
        #expect(refused.complaints.contains("cway portals open portal.example.org:8008"))
        _ = await home.run("portals", "add", Self.other, "--open")
        let partly = await home.run("address", "--form", "plain")
        #expect(partly.ended(.success) && partly.lines.count == 1 && partly.complaints.contains("left out"))
        guard case .tunnel(let tunnel) = try Address(partly.lines[0]) else {
            Issue.record("no tunnel address")
            return
        }
        #expect(tunnel.target.id == (await home.id()))
        #expect(await home.run("address", "--form", "none").ended(.usage))
    }

    @Test("resolves nothing of others, and tells that from what is no address")
    func codes() async throws {
        let stranger = TestedHome()
        _ = await home.run("portals", "add", TestedHome.portal)
        _ = await stranger.run("portals", "add", TestedHome.portal)
        let sealed = try #require(await home.run("address").lines.first)
        let hmac1 = try #require(await home.run("address", "--form", "hmac1").lines.first)
        for address in [sealed, hmac1] {
            let run = await stranger.run("resolve", address)
            #expect(
                run.ended(.notForThisKeyring) && run.output.isEmpty && run.complaints.contains("not for this")
            )
        }
        #expect(await TestedHome().run("resolve", sealed).ended(.notForThisKeyring))
        #expect(await home.run("resolve", "tunnel:nonsense").ended(.malformedAddress))
        #expect(await home.run("resolve").ended(.usage))
        #expect(await home.run("resolve", sealed, "-").ended(.usage))
    }

    @Test("reads addresses from standard input, and answers each with one line")
    func input() async throws {
        _ = await home.run("portals", "add", TestedHome.portal)
        let sealed = try #require(await home.run("address").lines.first)
        let (id, portal) = (await home.id(), "@51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8=.ed25519")
        let unknown = "@\(Data(repeating: 9, count: 32).base64EncodedString()).ed25519"
        let lines = [
            "", " \(sealed)\r", "nonsense", TestedHome.portal, "tunnel:\(portal):\(id)",
            "tunnel:\(unknown):\(id)",
        ]
        let run = await home.run("resolve", "-", input: lines)
        #expect(run.ended(.malformedAddress))
        #expect(
            run.lines == [
                "\(TestedHome.portal) \(id)", "\(TestedHome.portal) \(portal)", "\(TestedHome.portal) \(id)",
                "\(unknown) \(id)",
            ])
        let json = await home.run("resolve", "-", "--json", input: lines)
        let objects = try json.lines.map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
        #expect(
            objects.map { $0["status"] as? String } == ["resolved", "malformed"]
                + Array(repeating: "resolved", count: 3))
        let keys: Set = ["address", "status", "portal", "portalAddress", "target", "instance", "reason"]
        #expect(objects.allSatisfy { Set($0.keys) == keys })
    }
}
