import Foundation
import Glibc
import Multiserver
import Node
import PeerSupport
import PortalCore
import Testing
import TypedSodium

extension Integration {
    /// Without anything that knows of machines: two plain portals with the same key, behind one list.
    @Suite("Two portals of one key")
    struct AlternativesTests {
        private static func pair(
            on stage: Stage, _ flags: [String] = []
        ) async throws -> (portals: [TestNetwork.Portal], list: String) {
            let first = try await TestNetwork.Portal.start(on: stage, home: "first", flags)
            let home = stage.path("second")
            try FileManager.default.createDirectory(
                atPath: home, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
            try FileManager.default.copyItem(
                atPath: stage.path("first") + "/secret", toPath: home + "/secret")
            let second = try await TestNetwork.Portal.start(on: stage, home: "second", flags)
            #expect(first.peer.key == second.peer.key)
            return ([first, second], "\(first.address);\(second.address)")
        }

        @Test("are left for each other: where one is killed, endpoint and caller are back within 10 s")
        func killed() async throws {
            try await Stage.run { stage in
                let (portals, list) = try await Self.pair(on: stage)
                let echo = try await stage.service(.echo).port
                try await stage.run(home: "endpoint", ["portals", "add", list])
                let endpoint = try stage.cway(
                    home: "endpoint",
                    ["serve", "--visible", "--allow-anyone", "--service", "echo=127.0.0.1:\(echo)"])
                let target = try await endpoint.line()
                let table = try await stage.run(home: "endpoint", ["portals"])
                let forward = try stage.cway(
                    home: "caller", ["connect", target, "echo", "--portal", list, "--listen", "127.0.0.1:0"])
                let port = try #require(
                    try await forward.line().split(separator: ":").last.flatMap { Int($0) })
                let open = try await LocalConnection.dial(port)
                try await open.expectEcho("before")

                let used = table.split(separator: "\n").filter { $0.contains(" yes ") }
                #expect(used.count == 1, "\(table)")
                let isFirst = used.first?.contains(":\(portals[0].port)") == true
                let holder = isFirst ? portals[0] : portals[1]
                let start = ContinuousClock.now
                holder.process.signal(SIGKILL)
                #expect(try await open.end(within: .seconds(5)).ending == .broken)
                let time = try await LocalConnection.freshCall(to: port, since: start)
                #expect(time < .seconds(10), "\(time)")
                let after = try await stage.run(home: "endpoint", ["portals"])
                #expect(
                    after.split(separator: "\n").contains { $0.contains(" yes ") && !used.contains($0) },
                    "\(after)")
            }
        }

        @Test("are tried in turn: one that takes connections and says nothing costs its head start")
        func stopped() async throws {
            try await Stage.run { stage in
                let (portals, list) = try await Self.pair(on: stage)
                portals[0].process.signal(SIGSTOP)
                let endpoint = try stage.cway(
                    home: "endpoint", ["serve", "--allow-anyone", "--portal", list])
                let start = ContinuousClock.now
                let target = try await endpoint.line()
                for _ in 0..<3 {
                    let call = try stage.cway(
                        home: "caller", ["call", target, "service.list", "--portal", list])
                    #expect(try await call.end() == .exit(0), "\(call.log)")
                }
                #expect(
                    ContinuousClock.now - start < .seconds(9),
                    "2 s once, and 250 ms for each call at the worst")
                portals[0].process.signal(SIGCONT)
            }
        }

        @Test("take 150 endpoints over when one of them dies, each of which dials it once more at most")
        func storm() async throws {
            try await Stage.run { stage in
                let limits = ["--connections-per-address", "400", "--handshakes-per-second", "1000"]
                let (portals, _) = try await Self.pair(on: stage, limits)
                let endpoints = try await Crowd.announce(150, at: portals.map(\.peer))
                let before = endpoints.attemptCounts
                let moving = await endpoints.count(at: portals[0].peer)
                #expect(moving > 40 && moving < 110, "half of them or so: \(moving)")
                let start = ContinuousClock.now
                portals[0].process.signal(SIGKILL)
                try await portals[0].process.end()
                while await endpoints.count(at: portals[1].peer) < 150 { try Task.checkCancellation() }
                let time = ContinuousClock.now - start
                let after = endpoints.attemptCounts
                #expect(time < .seconds(10), "\(time)")
                #expect(after.dialled - before.dialled == moving && endpoints.announcedCount == 150 + moving)
                #expect(after.failed == before.failed, "nobody has dialled in vain")
                await endpoints.stop()
            }
        }
    }
}
