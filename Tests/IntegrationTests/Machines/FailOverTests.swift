import Foundation
import Glibc
import Multiserver
import PeerSupport
import PortalCore
import TestSupport
import Testing
import Tunnel
import TypedSodium

extension Integration {
    @Suite("A portal of many machines")
    struct FailOverTests {
        /// What is promised between a machine's death and a fresh call, and what a busy machine of the tests may add.
        private static let promise = Duration.seconds(10)

        /// An endpoint and a port that leads to it, both at a pair of machines.
        private struct Served {
            let network: MachinePair
            let stage: Stage
            let endpoint: CwayProcess
            let target: String
            let forward: CwayProcess
            let port: Int

            init(_ network: MachinePair, on stage: Stage, _ flags: [String] = []) async throws {
                (self.network, self.stage) = (network, stage)
                let echo = try await stage.service(.echo).port
                endpoint = try stage.cway(
                    home: "endpoint",
                    [
                        "serve", "--allow-anyone", "--service", "echo=127.0.0.1:\(echo)", "--portal",
                        network.list,
                        "--log-level", "trace",
                    ] + flags)
                target = try await endpoint.line()
                forward = try stage.cway(
                    home: "caller",
                    [
                        "connect", target, "echo", "--portal", network.list, "--listen", "127.0.0.1:0",
                        "--log-level", "trace",
                    ] + flags)
                port = try #require(try await forward.line().split(separator: ":").last.flatMap { Int($0) })
            }

            /// Opens a connection through both; at which machine the endpoint is then, and at which it is not.
            func open() async throws -> (LocalConnection, at: MachinePair.Machine, not: MachinePair.Machine) {
                let open = try await LocalConnection.dial(port)
                try await open.expectEcho("before")
                let (holder, other) = try await network.holder(of: "endpoint", on: stage)
                return (open, holder, other)
            }
        }

        @Test(
            "that falls silent leaves nobody behind: a fresh call works within 10 s, and what was open ends in an error"
        )
        func silence() async throws {
            try await Stage.run { stage in
                try await MachinePair.run { network in
                    let served = try await Served(network, on: stage)
                    let (open, holder, other) = try await served.open()
                    let start = ContinuousClock.now
                    holder.forwarder.set(.silent)
                    let time = try await LocalConnection.freshCall(to: served.port, since: start)
                    #expect(time < Self.promise, "\(time)")
                    #expect(try await open.end(within: .seconds(5)).ending == .broken, "never a clean end")
                    #expect(other.portal.metrics.connectionCount == 2)
                    // Nobody stays away for a minute, and each has dialled beside the old connection.
                    #expect(!served.endpoint.log.contains("announced itself elsewhere"))
                    #expect(served.endpoint.log.contains("is silent: dialling another one beside it"))
                }
            }
        }

        @Test("that is heard again keeps its nodes, whose tunnels go on")
        func shortSilence() async throws {
            try await Stage.run { stage in
                try await MachinePair.run { network in
                    let (open, holder, _) = try await Served(network, on: stage).open()
                    holder.forwarder.set(.paused)
                    try await Task.sleep(for: .seconds(4))  // longer than until it is asked
                    holder.forwarder.set(.forwarding)
                    try await open.expectEcho("after", after: "before")
                    #expect(
                        try await network.holder(of: "endpoint", on: stage).holder.address == holder.address)
                }
            }
        }

        @Test(
            "is left by an endpoint that is asked to move: new calls go the new way, open ones go on to their end"
        )
        func move() async throws {
            try await Stage.run { stage in
                try await MachinePair.run { network in
                    let served = try await Served(network, on: stage)
                    let (open, holder, other) = try await served.open()
                    let key = try PublicKey(id: try await stage.id(home: "endpoint"))
                    Neighbourhood(of: holder.portal).move([key])
                    try await served.endpoint.logLine(with: "going to another one")
                    while other.portal.metrics.announcedCount == 0 { try Task.checkCancellation() }
                    try await open.expectEcho("after", after: "before")
                    let call = try stage.cway(
                        home: "other", ["call", served.target, "tunnel.ping", "--portal", network.list])
                    #expect(try await call.end() == .exit(0), "\(call.log)")
                    // With the tunnel its connection ends, and nothing else.
                    served.forward.signal(SIGTERM)
                    try await served.forward.end()
                    while holder.portal.metrics.connectionCount > 0 { try Task.checkCancellation() }
                    #expect(other.portal.metrics.announcedCount == 1)
                    #expect(!served.endpoint.log.contains("announced itself elsewhere"))
                }
            }
        }

        @Test("is asked no sooner than usual by a node on a battery")
        func battery() async throws {
            try await Stage.run { stage in
                try await MachinePair.run { network in
                    let served = try await Served(network, on: stage, ["--battery"])
                    try await LocalConnection.dial(served.port).expectEcho("before")
                    for machine in network.machines { machine.forwarder.set(.silent) }
                    try await Task.sleep(for: .seconds(8))
                    #expect(!served.endpoint.log.contains("is silent"))
                    #expect(!served.forward.log.contains("is silent"))
                }
            }
        }
    }
}
