import Glibc
import PeerSupport
import PortalCore
import Testing

extension Integration {
    @Suite("Two portals with one home")
    struct TwoPortalsTests {
        @Test("are one: the second says why it does not start, as a node does, and the first stays")
        func lock() async throws {
            try await Stage.run { stage in
                let portal = try await TestNetwork.Portal.start(on: stage)
                let second = try stage.cway(home: "portal", ["portal", "--listen", "127.0.0.1:0"])
                #expect(try await second.end() == .exit(23))
                let words = "a process (\(portal.process.id)) serves from this keyring already"
                #expect(second.log.contains(words), "\(second.log)")
                #expect(second.outputText.isEmpty, "it has no address")

                // As a node says it.
                try await stage.run(home: "node", ["portals", "add", portal.address])
                let node = try stage.cway(home: "node", ["serve", "--visible", "--allow-anyone"])
                _ = try await node.line()
                let other = try stage.cway(home: "node", ["serve", "--visible", "--allow-anyone"])
                #expect(try await other.end() == .exit(23))
                #expect(other.log.contains("a process (\(node.id)) serves from this keyring already"))

                // Whoever dies gives it back, and another home is nobody's business.
                portal.process.signal(SIGKILL)
                try await portal.process.end()
                _ = try await TestNetwork.Portal.start(on: stage)
                _ = try await TestNetwork.Portal.start(on: stage, home: "another")
            }
        }
    }
}
