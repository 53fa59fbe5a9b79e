import Foundation
import Glibc
import Testing

extension Integration {
    @Suite("Limits of a portal")
    struct LimitTests {
        @Test("The 65th connection of one address is closed, and the 64 stay")
        func connectionsPerAddress() async throws {
            try await Stage.run { stage in
                let portal = try await TestNetwork.Portal.start(
                    on: stage, ["--handshakes-per-second", "1000"])
                var connections: [LocalConnection] = []
                for _ in 0..<64 { connections.append(try await LocalConnection.dial(portal.port)) }
                let extra = try await LocalConnection.dial(portal.port)
                _ = try await extra.end(within: .seconds(5))
                #expect(extra.hasEnded)
                #expect(connections.allSatisfy { !$0.hasEnded })
                try await portal.process.logLine(with: "tooManyConnections")

                let refused = try stage.cway(home: "caller", ["call", portal.address, "tunnel.ping"])
                #expect(try await refused.end() == .exit(11), "\(refused.log)")
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

        @Test("Handshakes of one address beyond 20 a second are turned away")
        func handshakesPerSecond() async throws {
            try await Stage.run { stage in
                let portal = try await TestNetwork.Portal.start(on: stage)
                let connections = try await withThrowingTaskGroup(of: LocalConnection.self) { tasks in
                    for _ in 0..<60 { tasks.addTask { try await LocalConnection.dial(portal.port) } }
                    return try await tasks.reduce(into: []) { $0.append($1) }
                }
                try await portal.process.logLine(with: "tooManyHandshakes")
                for connection in connections { await connection.close() }
            }
        }

        @Test("Without descriptors a portal pauses, says so, and goes on once there are some")
        func descriptors() async throws {
            try await Stage.run { stage in
                let portal = try await TestNetwork.Portal(
                    stage.start(
                        URL(fileURLWithPath: "/bin/sh"),
                        [
                            "-c", "ulimit -n 40; exec \"$0\" \"$@\"", Cway.program().path, "portal",
                            "--listen",
                            "127.0.0.1:0", "--handshakes-per-second", "1000", "--log-level", "debug",
                        ], environment: ["CWAY_HOME": stage.path("portal")]))
                var connections: [LocalConnection] = []
                for _ in 0..<50 { connections.append(try await LocalConnection.dial(portal.port)) }
                try await portal.process.logLine(with: "out of file descriptors")
                for connection in connections { await connection.close() }
                let call = try stage.cway(home: "caller", ["call", portal.address, "tunnel.ping"])
                #expect(try await call.end() == .exit(0), "\(call.log)")
                portal.process.signal(SIGTERM)
                #expect(try await portal.process.end(within: .seconds(5)) == .exit(0))
            }
        }
    }
}
