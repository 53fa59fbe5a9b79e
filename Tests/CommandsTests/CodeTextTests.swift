import Blinding
import Commands
import Foundation
import Invitation
import Multiserver
import Node
import Testing
import TypedSodium

@Suite("Codes in what people paste")
struct CodeTextTests {
    /// How a code comes through mail programs, chats and shells.
    private static let wrappings: [@Sendable (String) -> String] = [
        { $0 }, { "  \($0)\n" }, { "\u{FEFF}\($0)\r\n" }, { "\"\($0)\"" }, { "'\($0)'" }, { "“\($0)”" },
        { "<\($0)>" },
        { "Here is the code: \($0) have fun" }, { "Code:\n\n\($0)\n\nSee you, Anna" },
        { "`\($0)`, as promised." },
        { broken($0, every: 40, by: "\n") }, { broken($0, every: 72, by: "\r\n") + "\nthanks" },
        { "> " + broken($0, every: 60, by: "\n> ") }, { broken($0, every: 50, by: "\u{200B}") },
        { "Hi,\nuse\n" + broken($0, every: 30, by: "  ") + " until Friday" }, { "\($0)\u{A0}\u{AD}" },
    ]

    private static func broken(_ text: String, every count: Int, by mark: String) -> String {
        var (pieces, rest) = ([Substring](), text[...])
        while !rest.isEmpty {
            pieces.append(rest.prefix(count))
            rest = rest.dropFirst(count)
        }
        return pieces.joined(separator: mark)
    }

    private static func invite() throws -> String {
        let portal = try PortalAddress(
            key: PortalKey(try Identity.random().publicKey), host: "portal.example.org", port: 8008,
            isOpen: true)
        let code = try InviteCode(
            endpoint: EndpointKey(try Identity.random().publicKey), seed: try .random(), expiry: nil,
            portals: [portal])
        return String(decoding: try code.encoded(), as: UTF8.self)
    }

    @Test("an invite is found", arguments: wrappings.indices)
    func invites(_ index: Int) throws {
        let code = try Self.invite()
        #expect(CodeText.invite(in: Self.wrappings[index](code)) == code)
        #expect(CodeText.invite(in: "cway-invite-1.AAAA, no: " + Self.wrappings[index](code)) == code)
    }

    @Test("an invite to a portal is found, in both spellings, and an address", arguments: wrappings.indices)
    func portals(_ index: Int) throws {
        let key = try Identity.random().publicKey
        let seed = Base64.text(of: Random.bytes(32))
        let texts = [
            "portal.example.org:8008:\(key.id)~\(seed)",
            "net:portal.example.org:8008~shs:\(key.base64):\(seed)",
            "net:portal.example.org:8008~shs:\(key.base64)",
        ]
        for text in texts { #expect(CodeText.portal(in: Self.wrappings[index](text)) == text) }
    }

    @Test("nothing is made up")
    func none() throws {
        let code = try Self.invite()
        for text in [
            "", "hello", "cway-invite-1.", "cway-invite-1. hello", String(code.dropLast()), code + "A",
            code.replacing("cway", with: "cwax"), String(repeating: "cway-invite-1.A ", count: 5_000),
            String(repeating: "~", count: 70_000),
        ] {
            #expect(CodeText.invite(in: text) == nil, "\(text.prefix(80))")
            #expect(CodeText.portal(in: text) == nil)
        }
    }
}
