import Examples
import Foundation
import MuxRPC
import Testing
import TypedSodium

@Suite("The articles' examples")
struct ExamplesTests {
    private static let products = [
        "BoxStream", "Multiserver", "MuxRPC", "SecretHandshake", "SecureSession", "TypedSodium",
    ]

    @Test("are the files that are compiled here", arguments: products)
    func articles(product: String) throws {
        let stranger = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")
        let article = try String(
            contentsOf: stranger.appending(path: "../../Sources/\(product)/\(product).docc/\(product).md"),
            encoding: .utf8)
        let example = try String(
            contentsOf: stranger.appending(path: "Sources/Examples/\(product).swift"), encoding: .utf8)
        #expect(article.contains("```swift\n\(example)```\n"))
        #expect(article.components(separatedBy: "```swift").count == 2, "one example, which is compiled")
    }

    @Test("do what they say")
    func results() throws {
        let (ada, bob) = (try Identity.random(), try Identity.random())
        #expect(try signAndVerify("the kettle is on"))
        #expect(try sealAndOpen("the kettle is on") == "the kettle is on")
        #expect(try greet("Ada") == .value("hello, Ada"))
        #expect(try converse(ada, bob) == .value("hello"))
        let met = try #require(try shakeHands(ada, bob))
        #expect(met.client == ada.publicKey && met.server == bob.publicKey)
    }

    @Test("read addresses")
    func addresses() throws {
        let key = "iZHr0fGHeX7N2vZkwYZjGt1DUbUdVmGYyGfr1zTgVIM="
        #expect(
            try describe("net:example.org:8008~shs:\(key)")
                == "@\(key).ed25519, who listens at example.org:8008")
        #expect(
            try describe("example.org:8008:@\(key).ed25519")
                == "@\(key).ed25519, who listens at example.org:8008")
    }
}
