import Foundation
import Glibc
import PeerSupport
import PortalCore
import Testing

extension Integration {
    /// Standard error is a pipe that nobody reads, full before the process starts.
    @Suite("A log that nobody reads")
    struct UnreadLogTests {
        private static let limit = Duration.seconds(5)

        @Test("stops neither removals nor the end of serve, and says what was lost once it is read")
        func serve() async throws {
            try await Stage.run { stage in
                let friends = ["anna", "bert", "carl"]
                let network = try await FriendNetwork.start(on: stage, friends: friends)
                let (pipe, echo) = (try UnreadPipe(), try await stage.service(.echo).port)
                let server = try stage.cway(
                    home: FriendNetwork.owner,
                    ["serve", "--log-level", "trace", "--service", "echo=127.0.0.1:\(echo)"],
                    errorFile: pipe.writeEnd)
                _ = try await server.line()
                for home in friends { try await network.befriend(home) }
                for home in friends {
                    let connection = try await network.openEcho(as: home)
                    try await stage.run(home: FriendNetwork.owner, ["friend", "remove", home])
                    let received = try await connection.end(within: Self.limit)
                    #expect(received.ending == .broken)
                }
                #expect(
                    try await pipe.text(containing: "dismissed: not allowed any more", within: Self.limit))
                server.signal(SIGTERM)
                #expect(try await server.end(within: Self.limit) == .exit(0))
            }
        }

        @Test("does not keep serve, a portal or connect from ending at SIGTERM")
        func termination() async throws {
            try await Stage.run { stage in
                let pipes = try (0..<3).map { _ in try UnreadPipe() }
                let portal = try await TestNetwork.Portal(
                    stage.cway(
                        home: "portal", ["portal", "--listen", "127.0.0.1:0", "--log-level", "trace"],
                        errorFile: pipes[0].writeEnd))
                let echo = try await stage.service(.echo).port
                let server = try stage.cway(
                    home: "endpoint",
                    [
                        "serve", "--portal", portal.address, "--allow-anyone", "--service",
                        "echo=127.0.0.1:\(echo)", "--log-level", "trace",
                    ], errorFile: pipes[1].writeEnd)
                let target = try await server.line()
                let forward = try stage.cway(
                    home: "caller",
                    [
                        "connect", target, "echo", "--portal", portal.address, "--listen", "127.0.0.1:0",
                        "--log-level", "trace",
                    ], errorFile: pipes[2].writeEnd)
                let line = try await forward.line()
                let port = try #require(line.split(separator: ":").last.flatMap { Int($0) })
                for round in 0..<20 {
                    let connection = try await LocalConnection.dial(port)
                    try await connection.expectEcho("round \(round)")
                    await connection.close()
                    try await stage.run(home: "other", ["call", portal.address, "tunnel.ping"])
                }
                for process in [forward, server, portal.process] {
                    process.signal(SIGTERM)
                    #expect(try await process.end(within: Self.limit) == .exit(0), "\(process.command)")
                }
            }
        }

        @Test("does not keep a command from ending that complains")
        func complaint() async throws {
            try await Stage.run { stage in
                let pipe = try UnreadPipe()
                let call = try stage.cway(
                    home: "caller",
                    ["call", "net:127.0.0.1:1~shs:51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8=", "x"],
                    errorFile: pipe.writeEnd)
                #expect(try await call.end(within: Self.limit) == .exit(10))
            }
        }
    }
}
