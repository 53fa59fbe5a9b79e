import Demo
import Node
import Testing
import TypedSodium

@Suite("What the demo looks at")
struct DemoCheckTests {
    @Test("has the code of a failed verification for another hash")
    func verification() throws {
        let hash = SHA256.hash([1, 2, 3].span)
        let digest = "sha-256=:A5BYxvLAy0ksUzsKTRTvd8wPeKvMztUofYShogEc+4E=:"
        let other = "sha-256=:B5BYxvLAy0ksUzsKTRTvd8wPeKvMztUofYShogEc+4E=:"
        try DemoMeasuring.verify(SHA256.hash([1, 2, 3].span), announced: digest, expected: digest)
        for (announced, expected) in [(nil, digest), (other, digest), (other, other), (digest, other)] {
            let failure = #expect(throws: CommandFailure.self) {
                try DemoMeasuring.verify(hash, announced: announced, expected: expected)
            }
            #expect(failure?.status == .verificationFailed)
        }
    }

    @Test("has a code of its own where nats-server is not installed, and says how it gets there")
    func noServer() throws {
        let failure = #expect(throws: CommandFailure.self) {
            try DemoEngine.server(path: "/dev:/proc", orIn: ["/sys"])
        }
        #expect(failure?.status.rawValue == 27)
        #expect(failure?.message.contains("nats-server is not installed") == true)
        #expect(failure?.message.contains("apt-get install nats-server") == true)
        let found = try DemoEngine.server(path: "/dev")
        #expect(DemoEngine.usualFolders.contains { found == "\($0)/nats-server" })
    }

    @Test("finds a word that the portal could read, across packets too")
    func seenFrames() {
        let log: [Substring] = [
            "frame 1 @A 4 01474554", "info: something else", "frame 2 @B 2 2020", "frame 3 @A 3 202f0d",
            "frame 4 @A 3 47", "frame 5 @A 1 zz",
        ]
        let seen = SeenFrames(log: log)
        #expect(seen.byteCount == 9 && seen.byteCount(from: "@A") == 7)
        #expect(seen.byteCount(from: "@A", others: true) == 2)
        #expect(seen.readable(["GET /", "POST"]) == ["GET /"])
    }
}
