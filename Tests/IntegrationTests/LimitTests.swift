import PeerSupport
import PortalCore
import Testing

extension Integration {
    @Suite("Limits of a portal")
    struct LimitTests {
        @Test(
            "Beyond an address's limit a stranger hears why, the others stay, and there is room when they go")
        func connectionsPerAddress() async throws {
            try await Stage.run { stage in
                let portal = try await TestNetwork.Portal.start(
                    on: stage, ["--connections-per-address", "8"])
                var connections: [LocalConnection] = []
                for _ in 0..<8 { connections.append(try await LocalConnection.dial(portal.port)) }
                let extra = try await LocalConnection.dial(portal.port)
                let refused = try stage.cway(home: "caller", ["call", portal.address, "tunnel.ping"])
                #expect(try await refused.end() != .exit(0))
                #expect(refused.log.contains("too many connections from your address"), "\(refused.log)")
                // Who is tried and says nothing is closed after a second.
                _ = try await extra.end(within: .seconds(5))
                #expect(connections.allSatisfy { !$0.hasEnded })
                try await portal.process.logLine(with: "tooManyConnections")

                for connection in connections { await connection.close() }
                // The portal sees their ends one after another, and says so of a few of them only.
                let deadline = ContinuousClock.now + .seconds(5)
                while true {
                    let welcome = try stage.cway(home: "caller", ["call", portal.address, "tunnel.ping"])
                    if try await welcome.end() == .exit(0) { break }
                    try #require(ContinuousClock.now < deadline, "\(welcome.log)")
                }
            }
        }

        @Test("Without a limit an address has what others leave")
        func share() async throws {
            try await Stage.run { stage in
                let portal = try await TestNetwork.Portal.start(on: stage)
                var connections: [LocalConnection] = []
                for _ in 0..<200 { connections.append(try await LocalConnection.dial(portal.port)) }
                let welcome = try stage.cway(home: "caller", ["call", portal.address, "tunnel.ping"])
                #expect(try await welcome.end() == .exit(0), "\(welcome.log)")
                #expect(connections.allSatisfy { !$0.hasEnded })
                try await portal.process.logLine(with: "sizes=\"pool")
                for connection in connections { await connection.close() }
            }
        }

        @Test("Handshakes of one address beyond its limit are only tried")
        func handshakesPerSecond() async throws {
            try await Stage.run { stage in
                let portal = try await TestNetwork.Portal.start(on: stage, ["--handshakes-per-second", "20"])
                let connections = try await withThrowingTaskGroup(of: LocalConnection.self) { tasks in
                    for _ in 0..<60 { tasks.addTask { try await LocalConnection.dial(portal.port) } }
                    return try await tasks.reduce(into: []) { $0.append($1) }
                }
                try await portal.process.logLine(with: "tooManyHandshakes")
                for connection in connections { await connection.close() }
            }
        }
    }
}
