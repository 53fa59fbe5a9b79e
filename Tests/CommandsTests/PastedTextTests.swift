import Blinding
import Commands
import Foundation
import Multiserver
import Node
import Testing
import TypedSodium

@Suite("Codes and addresses as people hand them over")
struct PastedTextTests {
    private static let portal = "net:127.0.0.1:1~shs:51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8="
    private static let id = "@51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8=.ed25519"

    private let owner = TestedHome()
    private let friend = TestedHome()

    private static let addresses = [
        portal, "net:2001:db8::1:8008~shs:51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8=",
        "tunnel:\(id):@HIL8X1wcZVKXGUlHTqO7QlPPSQZXxhSAAbAtfYUfDOo=.ed25519",
        "portal.example.org:8008:\(id)",
    ]

    @Test("an address of any kind is found, with marks, breaks and words around it", arguments: addresses)
    func findsAddress(_ address: String) {
        let half = address.count / 2
        let broken = "\(address.prefix(half))\n  \(address.dropFirst(half))"
        for text in [
            address, " \(address)\r\n", "\u{FEFF}\(address)", "\"\(address)\"", "<\(address)>.",
            "“\(address)”,",
            "*\(address)*", "the address is \(address), as promised", broken,
            "> \(broken.replacing("\n", with: "\n> "))",
        ] {
            #expect(CodeText.address(in: text) == address, "\(text)")
        }
        for text in ["", "home", "host:8008", "net:host:8008", "the net: it is broken"] {
            #expect(CodeText.address(in: text) == nil, "\(text)")
        }
    }

    @Test("marks at the end of a code may be digits of it")
    func markup() async throws {
        #expect(await owner.run("portals", "add", Self.portal).ended(.success))
        for _ in 0..<20 {
            let code = try await owner.invite()
            for (before, after) in [
                ("_", "_"), ("__", "__"), ("**", "**"), ("", "-"), ("`", "`"), ("(", ")."), ("code:", "!"),
            ] {
                #expect(CodeText.invite(in: before + code + after) == code)
            }
            #expect(CodeText.invite(in: code + "A_") == nil)
        }
    }

    @Test("a code comes through as several arguments, where nobody put it in quotes")
    func severalArguments() async throws {
        #expect(await owner.run("portals", "add", Self.portal).ended(.success))
        var code = try await owner.invite()
        // A word of a command line that begins with a dash is an option; there the code has what differs in each.
        while code.dropFirst(60).hasPrefix("-") { code = try await owner.invite() }
        let home = ["--home", friend.path]
        for words in [
            [code], ["here", "is", code], [String(code.prefix(60)), String(code.dropFirst(60))],
            ["“\(code)”"], ["\u{FEFF}\(code)\r\n"], ["> \(code.prefix(30))\n> \(code.dropFirst(30))"],
        ] {
            let run = await CommandRun(["join"] + words + home)
            #expect(run.ended(.portalUnreachable), "\(run)")
        }
        let added = await CommandRun(["portals", "add", "it is <\(Self.portal)>"] + home)
        #expect(added.ended(.success), "\(added)")
    }

    @Test("an address that is dialled, resolved or given to an option may be copied roughly")
    func dialled() async throws {
        let target = " “\(Self.portal)”\n"
        #expect(await friend.run("connect", target, "ssh", "--stdio").ended(.portalUnreachable))
        #expect(await friend.run("resolve", target).lines == ["\(Self.portal) \(Self.id)"])
        let tunnel = "tunnel:\(Self.id):@HIL8X1wcZVKXGUlHTqO7QlPPSQZXxhSAAbAtfYUfDOo=.ed25519"
        #expect(
            await friend.run("connect", tunnel, "ssh", "--stdio", "--portal", Self.portal).ended(
                .portalUnreachable))
        let id = await friend.id()
        let allowed = await owner.run("friend", "allow", "<\(id)>", "--all")
        #expect(allowed.ended(.success), "\(allowed)")
        #expect(await owner.run("friend", "show", " '\(id)' ").ended(.success))
    }

    @Test("comments and blank lines stand between addresses")
    func comments() async {
        let lines = [
            "\u{FEFF}# all of them", "", "  ", "\t# \(Self.portal)", "\(Self.portal)  # the first", "#",
            "> \"\(Self.portal)\"", "\u{200B}",
        ]
        let run = await CommandRun(["resolve", "-", "--home", friend.path], input: lines)
        #expect(run.ended(.success) && run.complaints.isEmpty, "\(run)")
        #expect(run.lines == Array(repeating: "\(Self.portal) \(Self.id)", count: 2))
        let wrong = await CommandRun(
            ["resolve", "-", "--home", friend.path], input: ["# a", "nonsense # b"])
        #expect(wrong.ended(.malformedAddress) && wrong.complaints.contains("nonsense"))
    }
}
