import Foundation
import PeerSupport
import Testing
import Watching

extension Integration {
    @Suite("A portal on three machines")
    struct ClusterProcessTests {
        @Test("joins an endpoint at one and callers at another, by id and by token, and outlives a machine")
        func acrossMachines() async throws {
            try await Stage.run { stage in
                let service = try await stage.service(.echo)
                let network = try await ClusterNetwork.start(on: stage, count: 3)
                let machines = network.machines

                // In the open, by an id.
                let open = try TestNetwork.serve(
                    on: stage, at: [machines[0]],
                    flags: ["--allow-anyone", "--service", "echo=127.0.0.1:\(service.port)"])
                let target = try await open.line()
                let near = TestNetwork(stage: stage, portal: machines[1], endpoint: open, target: target)
                let (_, port) = try await near.forward("echo")
                let socket = try await LocalConnection.dial(port)
                try await socket.expectEcho("by id, across two machines")

                // Hidden, by a token: the invite's first, then the friend's.
                try await stage.run(home: FriendNetwork.owner, ["portals", "add", machines[0].address])
                let code = try await FriendNetwork.invite("friend", on: stage)
                let hidden = try stage.cway(
                    home: FriendNetwork.owner,
                    ["serve", "--log-level", "trace", "--service", "echo=127.0.0.1:\(service.port)"])
                _ = try await hidden.line()
                try await stage.run(home: "friend", ["join", code, "--name", "home"])
                try await hidden.logLines(2, with: "announced, hidden")
                let forward = try stage.cway(
                    home: "friend",
                    [
                        "connect", "home", "echo", "--portal", machines[2].address, "--listen", "127.0.0.1:0",
                        "--log-level", "trace",
                    ])
                let line = try await forward.line()
                let hiddenPort = try #require(line.split(separator: ":").last.flatMap { Int($0) })
                let byToken = try await LocalConnection.dial(hiddenPort)
                try await byToken.expectEcho("by token, across two machines")

                let before = try await network.report(of: 1) { $0.lookUpTotal > 0 }
                #expect(before.engine.isConnected && before.dropped["forged"] == nil)

                // One that nobody misses: what goes through the others goes on.
                machines[2].process.signal(SIGKILL)
                try await machines[2].process.end()
                try await network.report(of: 1) { $0.machines.count == 1 }
                try await socket.expectEcho("and still")
                let missing = try stage.cway(
                    home: "caller", ["call", "--portal", machines[1].address, target, "whoami"])
                #expect(try await missing.end() == .exit(0), "\(missing.log)")

                // The endpoint's own: its tunnels end in an error, and its id is found no more.
                machines[0].process.signal(SIGKILL)
                try await machines[0].process.end()
                #expect(try await socket.end().ending != .complete)
                try await network.report(of: 1) { $0.machines.isEmpty }
                let gone = try stage.cway(
                    home: "caller", ["call", "--portal", machines[1].address, target, "whoami"])
                #expect(try await gone.end() == .exit(12), "\(gone.log)")
            }
        }

        @Test("lets endpoints go before it ends, and says so")
        func drains() async throws {
            try await Stage.run { stage in
                let service = try await stage.service(.echo)
                let network = try await ClusterNetwork.start(on: stage, count: 2)
                let endpoint = try TestNetwork.serve(
                    on: stage, at: [network.machines[0]],
                    flags: ["--allow-anyone", "--service", "echo=127.0.0.1:\(service.port)"])
                let target = try await endpoint.line()
                let near = TestNetwork(
                    stage: stage, portal: network.machines[1], endpoint: endpoint, target: target)
                let (_, port) = try await near.forward("echo")
                let socket = try await LocalConnection.dial(port)
                try await socket.expectEcho("before")
                network.machines[0].process.signal(SIGTERM)
                try await network.machines[0].process.logLine(with: "cluster: this machine ends")
                let report = try await network.report(of: 1) { report in
                    report.machines.allSatisfy(\.isDraining)
                }
                #expect(report.isServing && !report.isDraining)
                #expect(try await network.machines[0].process.end() == .exit(0))
                #expect(try await socket.end().ending != .complete)
                try await network.report(of: 1) { $0.machines.isEmpty }
            }
        }

        @Test("says what is missing, in words")
        func words() async throws {
            try await Stage.run { stage in
                func ending(_ flags: String...) async throws -> (CwayProcess.Ending, String) {
                    let process = try stage.cway(
                        home: "portal", ["portal", "run", "--listen", "127.0.0.1:0"] + flags)
                    return (try await process.end(), process.log)
                }
                let noListen = try await ending("--cluster", "nats://localhost:4222")
                #expect(noListen.0 == .exit(64) && noListen.1.contains("--cluster-listen"))
                let noHost = try await ending(
                    "--cluster", "nats://localhost:4222", "--cluster-listen", "*:8009")
                #expect(noHost.0 == .exit(64) && noHost.1.contains("--cluster-advertise"))
                let noScheme = try await ending("--cluster", "localhost:4222")
                #expect(noScheme.0 == .exit(64) && noScheme.1.contains("nats://HOST:PORT"))
                let noFile = try await ending(
                    "--cluster", "nats://localhost:4222", "--cluster-listen", "127.0.0.1:8009",
                    "--cluster-credentials", stage.path("nothing"))
                #expect(noFile.0 == .exit(21) && noFile.1.contains("cannot be read"), "\(noFile)")
                let status = try stage.cway(home: "portal", ["portal", "cluster", "status"])
                #expect(try await status.end() == .exit(19), "\(status.log)")
            }
        }
    }
}
