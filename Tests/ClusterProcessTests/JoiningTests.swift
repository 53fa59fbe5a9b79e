import Foundation
import Glibc
import PeerSupport
import Testing
import Watching

extension ClusterProcesses {
    @Suite("Three machines")
    struct JoiningTests {
        /// One server, of which nothing is asked here.
        private static var plan: ClusterStage.Plan {
            var plan = ClusterStage.Plan()
            plan.serverCount = 1
            return plan
        }

        @Test("join an endpoint at one and callers at another, by id and by token, and outlive a machine")
        func acrossMachines() async throws {
            try await ClusterStage.run(Self.plan) { stage in
                // In the open, by an id.
                let pair = try await Pair.start(on: stage, at: 0)
                let port = try await pair.client("friend", at: 1)
                #expect(await PatternService.fetched(100_000, seed: 1, from: port).isWhole)

                // Hidden, by a token: the invite's first, then the friend's.
                _ = try await stage.output(home: "hidden", ["portals", "add", stage.address(of: 0)])
                let code = try await stage.output(
                    home: "hidden", ["invite", "create", "--service", "bytes"]
                ).trimmingCharacters(in: .newlines)
                let hidden = try stage.cway(
                    home: "hidden",
                    ["serve", "--log-level", "trace", "--service", "bytes=127.0.0.1:\(pair.service.port)"])
                _ = try await hidden.line()
                _ = try await stage.output(home: "guest", ["join", code, "--name", "home"])
                try await hidden.logLines(2, with: "announced, hidden")
                let forward = try stage.cway(
                    home: "guest",
                    [
                        "connect", "home", "bytes", "--portal", stage.address(of: 2), "--listen",
                        "127.0.0.1:0",
                    ])
                let line = try await forward.line()
                let byToken = try #require(line.split(separator: ":").last.flatMap { UInt16($0) })
                #expect(await PatternService.fetched(100_000, seed: 2, from: byToken).isWhole)
                let report = try await stage.report(of: 1) { $0.lookUpTotal > 0 }
                #expect(report.engine.isConnected && report.dropped["forged"] == nil)

                // One that nobody misses: what goes through the others goes on.
                try await stage.killMachine(2)
                try await stage.report(of: 1) { $0.machines.count == 1 }
                #expect(await PatternService.fetched(100_000, seed: 3, from: port).isWhole)
                let call = ["call", "--portal", stage.address(of: 1), pair.target, "whoami"]
                _ = try await stage.output(home: "caller", call)

                // The endpoint's own: its tunnels end in an error, and its id is found no more.
                let begun = Watched(0)
                let transfer = Task.detached {
                    PatternService.fetch(1 << 30, seed: 4, from: port) { count in begun.update { $0 = count }
                    }
                }
                try await begun.first { $0 > 0 ? () : nil }
                try await stage.killMachine(0)
                let outcome = await transfer.value
                #expect(outcome.isPrefix && !outcome.hasEndedClean, "\(outcome)")
                try await stage.report(of: 1) { $0.machines.isEmpty }
                let gone = try stage.cway(home: "caller", call)
                #expect(try await gone.end() == .exit(12), "\(gone.log)")
            }
        }

        @Test("let endpoints go before they end, and say so")
        func drains() async throws {
            try await ClusterStage.run(Self.plan) { stage in
                let pair = try await Pair.start(on: stage, at: 0)
                let port = try await pair.client("friend", at: 1)
                let begun = Watched(0)
                let transfer = Task.detached {
                    PatternService.fetch(1 << 40, seed: 1, from: port) { count in begun.update { $0 = count }
                    }
                }
                try await begun.first { $0 > 0 ? () : nil }
                let machine = try #require(stage.machine(0))
                machine.signal(SIGTERM)
                try await machine.logLine(with: "cluster: this machine ends")
                let report = try await stage.report(of: 1) { $0.machines.contains(where: \.isDraining) }
                #expect(report.isServing && !report.isDraining)
                #expect(try await machine.end() == .exit(0))
                let outcome = await transfer.value
                #expect(outcome.isPrefix && !outcome.hasEndedClean, "\(outcome)")
                try await stage.report(of: 1) { $0.machines.count == 1 }
            }
        }

        @Test(
            "deny at once where a link reaches, with NATS away, and in the log later, upon which it can be taken back"
        )
        func denied() async throws {
            try await ClusterStage.run(Self.plan) { stage in
                let id = "@51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8=.ed25519"
                @Sendable func isDenied(at machine: Int) async throws -> Bool {
                    try await stage.output(home: "machine\(machine)", ["portal", "policy"]).contains(id)
                }
                stage.engine.kill(0)
                _ = try await stage.output(home: "machine0", ["portal", "deny", id])
                try await before(.eventDeadline) {
                    while try await !isDenied(at: 1) { try Task.checkCancellation() }
                }
                try stage.engine.start(0)
                for index in stage.places.indices {
                    try await stage.report(of: index) { $0.policy?.index ?? 0 > 0 }
                }
                _ = try await stage.output(home: "machine1", ["portal", "allow", id])
                try await before(.eventDeadline) {
                    while try await isDenied(at: 0) { try Task.checkCancellation() }
                }
            }
        }
    }
}
