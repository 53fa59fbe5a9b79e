import Ends
import Testing
import TypedSodium

@Suite("Two ends over TCP")
struct EndsTests {
    @Test("shake hands, and one calls the other")
    func greeting() async throws {
        let (ada, bob) = (try Identity.random(), try Identity.random())
        let server = try await GreetingServer(as: bob, friends: [ada.publicKey])
        let greeting = try await askForGreeting(
            of: bob.publicKey, port: server.port, as: ada, name: "Ada")
        #expect(greeting == "hello, Ada")
        try await server.close()
    }

    @Test("a caller that is no friend is not let in")
    func refusal() async throws {
        let (ada, bob) = (try Identity.random(), try Identity.random())
        let server = try await GreetingServer(as: bob, friends: [])
        await #expect(throws: (any Error).self) {
            try await askForGreeting(of: bob.publicKey, port: server.port, as: ada, name: "Ada")
        }
        try await server.close()
    }
}
