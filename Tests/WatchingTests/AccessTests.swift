import Testing
import Watching

@Suite("Who may watch") struct AccessTests {
    private static let text = "0123456789abcdef0123456789abcdef"

    @Test("shows the token, whole") func token() throws {
        let token = try #require(WatchToken(contents: Array("\(Self.text)\n".utf8)))
        #expect(token.matches(Self.text) && token.isShown(in: "bearer \(Self.text)"))
        for wrong in [
            "", "Bearer", "Basic \(Self.text)", "Bearer \(Self.text)0", "Bearer \(Self.text.dropLast())",
        ] {
            #expect(!token.isShown(in: wrong), "\(wrong)")
        }
        #expect(!token.isShown(in: nil) && !token.matches(String(repeating: "a", count: 1_000)))
    }

    @Test(
        "has a token that is long enough, in one word",
        arguments: [
            "", "short", "0123456789abcdef 0123456789abcdef", "é\(text)", String(repeating: "a", count: 513),
        ])
    func weakToken(_ text: String) { #expect(WatchToken(contents: Array(text.utf8)) == nil) }

    @Test(
        "calls the server by its address, or by a name of this machine",
        arguments: [
            "localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:8080", "[::1]:8080", "192.0.2.7:1",
            "portal.example.org", "Portal.Example.Org:9", "a.localhost",
        ])
    func admitted(_ authority: String) {
        #expect(HostRule(listeningAt: "portal.example.org").admits(authority))
    }

    @Test(
        "not by a name that somebody else has led here",
        arguments: [
            nil, "", ":8080", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example",
            "127.0.0.1.5",
            "127.0.0", "256.0.0.1", "[::1", "notlocalhost", "١٢٧.0.0.1",
        ] as [String?])
    func refused(_ authority: String?) { #expect(!HostRule(listeningAt: "localhost").admits(authority)) }
}
