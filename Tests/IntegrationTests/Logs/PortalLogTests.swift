import PeerSupport
import PortalCore
import Testing

extension Integration {
    @Suite("The log of a portal")
    struct PortalLogTests {
        @Test("names who is refused, why, and what to do; and who came by an invite, made a moment ago")
        func refusals() async throws {
            try await Stage.run { stage in
                let portal = try await TestNetwork.Portal.start(on: stage)
                let run = ["portal", "policy", "--announce", "members", "--call", "members"]
                try await stage.run(home: "portal", run)
                let call = ["call", portal.address, "whoami", "--real-id"]
                let id = try await stage.id(home: "stranger")
                while try await stage.cway(home: "stranger", call).end() != .exit(11) {
                    try Task.checkCancellation()
                }
                let stranger = try await portal.process.logLine(with: "refused: this key is no member's")
                #expect(stranger.contains(id) && stranger.contains("cway portal members add \(id)"))

                // At once: the portal need not know of the invite yet.
                let code = try await stage.run(
                    home: "portal",
                    ["portal", "invite", "--label", "anna", "--public-host", "127.0.0.1:\(portal.port)"])
                let joined = try await stage.run(home: "anna", ["portals", "add", code])
                let shown = try #require(joined.split(separator: " ").last.map(String.init))
                let redeemed = try await portal.process.logLine(with: "an invite was redeemed")
                #expect(redeemed.contains(shown) && redeemed.contains("label=anna"))
                let again = try stage.cway(home: "bert", ["portals", "add", code])
                #expect(try await again.end() == .exit(18), "\(again.log)")

                try await stage.run(home: "portal", ["portal", "deny", id])
                // A running portal follows within a second.
                let refusal = "refused: this key is denied"
                while !portal.process.log.contains(refusal) {
                    _ = try await stage.cway(home: "stranger", call).end()
                    try Task.checkCancellation()
                }
                let denied = try await portal.process.logLine(with: refusal)
                #expect(denied.contains("cway portal allow \(id)"))
            }
        }

        @Test("names a limit, once in a while, and whose address it is")
        func limits() async throws {
            try await Stage.run { stage in
                let portal = try await TestNetwork.Portal.start(
                    on: stage, ["--connections-per-address", "4"])
                var connections: [LocalConnection] = []
                for _ in 0..<30 { connections.append(try await LocalConnection.dial(portal.port)) }
                let line = try await portal.process.logLine(with: "a limit: a connection waits for a place")
                #expect(line.contains("source=127.0.0.1") && line.contains("--trusted-proxy"), "\(line)")
                let lines = portal.process.log.split(separator: "\n").filter { $0.contains("a limit: ") }
                #expect(lines.count < 15)
                for connection in connections { await connection.close() }
            }
        }

        @Test("fifty dials at a time at a portal that limits come to stand all the same")
        func fifty() async throws {
            try await Stage.run { stage in
                let portal = try await TestNetwork.Portal.start(
                    on: stage, ["--connections-per-address", "8"])
                _ = try await stage.id(home: "caller")
                let calls = try (0..<50).map { _ in
                    try stage.cway(home: "caller", ["call", portal.address, "whoami"])
                }
                var failed: [String] = []
                for call in calls where try await call.end(within: .seconds(60)) != .exit(0) {
                    failed.append(call.log)
                }
                #expect(failed.allSatisfy { $0.contains("may be") && $0.contains("limit") }, "\(failed)")
                #expect(failed.count < 10, "\(failed.count)")
            }
        }
    }
}
