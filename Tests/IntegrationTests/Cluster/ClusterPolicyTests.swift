import Foundation
import PeerSupport
import Testing
import Watching

extension Integration {
    @Suite("The policy of a portal on several machines")
    struct ClusterPolicyTests {
        private static let id = "@51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8=.ed25519"

        /// What a command prints at the home of a machine, once it has these words.
        private func awaits(
            _ words: String, of arguments: [String], at number: Int, on stage: Stage
        ) async throws {
            try await before(.eventDeadline) {
                while true {
                    let run = try stage.cway(home: ClusterNetwork.home(number), ["portal"] + arguments)
                    try await run.end()
                    if run.outputText.contains(words) { return }
                    try await Task.sleep(for: .milliseconds(100))
                }
            }
        }

        @Test(
            "one invite for one admits one of many at two machines, of which one is killed meanwhile; nobody falls back"
        )
        func killed() async throws {
            try await Stage.run { stage in
                let network = try await ClusterNetwork.start(on: stage, count: 2)
                let variables = ["CWAY_CLUSTER_SERVERS": network.server.address]
                let make = try stage.cway(
                    home: ClusterNetwork.home(0),
                    [
                        "portal", "invite", "--label", "guest", "--public-host",
                        "127.0.0.1:\(network.machines[0].port)",
                    ],
                    environment: variables)
                #expect(try await make.end() == .exit(0), "\(make.log)")
                let code = try #require(make.outputText.split(separator: "\n").first.map(String.init))
                let other = code.replacing(
                    ":\(network.machines[0].port):", with: ":\(network.machines[1].port):")
                #expect(other != code)
                try await awaits("guest", of: ["invites"], at: 1, on: stage)
                let guests = try (0..<8).map { number in
                    try stage.cway(
                        home: "guest-\(number)", ["portals", "add", number.isMultiple(of: 2) ? code : other])
                }
                // As soon as it is in the log, whoever knows of it.
                try await before(.eventDeadline) {
                    while guests.allSatisfy({ $0.ending == nil }) {
                        try await Task.sleep(for: .milliseconds(5))
                    }
                }
                network.machines[1].process.signal(SIGKILL)
                var admitted = 0
                for guest in guests where try await guest.end() == .exit(0) { admitted += 1 }
                #expect(admitted <= 1)
                let index = try await network.report(of: 0) { $0.policy?.index ?? 0 > 1 }.policy?.index ?? 0
                let again = try await ClusterNetwork.start(
                    ClusterNetwork.home(1), on: stage, at: network.server)
                try await network.report(of: 1) { $0.policy?.index ?? 0 >= index }
                for number in 0..<2 {
                    try await awaits("guest", of: ["members"], at: number, on: stage)
                    let list = try await stage.run(
                        home: ClusterNetwork.home(number), ["portal", "members", "--json"])
                    #expect(list.ranges(of: "\"id\"").count == 1)
                }
                again.process.signal(SIGTERM)
                try await again.process.end()
            }
        }

        @Test(
            "a denial counts at once at machines that a link reaches, with NATS away, and is in the log later"
        )
        func denied() async throws {
            try await Stage.run { stage in
                let network = try await ClusterNetwork.start(on: stage, count: 2)
                network.server.kill()
                let deny = try stage.cway(home: ClusterNetwork.home(0), ["portal", "deny", Self.id])
                #expect(try await deny.end() == .exit(0), "\(deny.log)")
                try await awaits(Self.id, of: ["policy"], at: 1, on: stage)
                try await network.server.start()
                for number in 0..<2 {
                    try await network.report(of: number) { $0.policy?.index ?? 0 > 0 }
                }
                let allow = try stage.cway(
                    home: ClusterNetwork.home(1), ["portal", "allow", Self.id],
                    environment: ["CWAY_CLUSTER_SERVERS": network.server.address])
                #expect(try await allow.end() == .exit(0), "\(allow.log)")
                try await before(.eventDeadline) {
                    while try await stage.run(home: ClusterNetwork.home(0), ["portal", "policy"]).contains(
                        Self.id)
                    {
                        try await Task.sleep(for: .milliseconds(100))
                    }
                }
            }
        }
    }
}
