import Foundation
import Glibc
import Multiserver
import Node
import PeerSupport
import Testing
import TypedSodium

extension Integration {
    @Suite("An invite for five")
    struct RedeemTests {
        private static let uses = 5
        private static let redeemerCount = 200
        /// How often a redeemer runs the same call again at most.
        private static let tries = 10

        private struct World {
            let network: FriendNetwork
            let code: String
            let redeemers: [Redeemer]

            init(on stage: Stage) async throws {
                network = try await FriendNetwork.start(
                    on: stage,
                    portalFlags: [
                        "--connections-per-address", "1000", "--handshakes-per-second", "2000", "--log-level",
                        "info",
                    ])
                code = try await FriendNetwork.invite("five", uses: uses, on: stage)
                redeemers = try await withThrowingTaskGroup { tasks in
                    for number in 0..<redeemerCount {
                        tasks.addTask { try Redeemer(folder: stage.path("redeemers/\(number)")) }
                    }
                    return try await tasks.reduce(into: []) { $0.append($1) }
                }
            }

            /// Sees that there are as many friends as uses, here, there and in the owner's list.
            func expectWinners(_ outcomes: [(Redeemer, Redeemer.Outcome)]) async throws {
                #expect(outcomes.count == redeemerCount)
                let winners = outcomes.filter { $0.1 == .admitted }.map(\.0)
                #expect(winners.count == uses)
                for (redeemer, outcome) in outcomes {
                    #expect(try redeemer.hasFriend == (outcome == .admitted))
                }
                #expect(try await friends() == Set(winners.map(\.identity.publicKey.id)))
            }

            /// The ids in the owner's list of friends.
            func friends() async throws -> Set<String> {
                let list = try await network.stage.run(
                    home: FriendNetwork.owner, ["friend", "list", "--json"])
                let friends = try JSONDecoder().decode([FriendRow].self, from: Data(list.utf8))
                #expect(Set(friends.map(\.id)).count == friends.count)
                return Set(friends.map(\.id))
            }
        }

        @Test("has five winners among 200 who redeem at once")
        func atOnce() async throws {
            try await Stage.run { stage in
                let world = try await World(on: stage)
                _ = try await world.network.serve(logLevel: "info")
                let outcomes = try await Self.all(world.redeemers) { redeemer in
                    do {
                        return try await redeemer.redeem(world.code)
                    } catch JoinFailure.notYetReachable {
                        // The portal was slow: the same once more.
                        return try await redeemer.redeem(world.code)
                    }
                }
                try await world.expectWinners(outcomes)
            }
        }

        @Test("has the same five, no more, when the node is killed in their midst and comes back")
        func killed() async throws {
            try await Stage.run { stage in
                let world = try await World(on: stage)
                let server = try await world.network.serve(logLevel: "info")
                let isBack = Watched(false)
                let restart = Task {
                    // Said between the commit and the answer, and the second answer waits for an announcement.
                    try await server.logLines(2, with: "an invite was redeemed")
                    server.signal(SIGKILL)
                    try await server.end()
                    let admitted = try await world.friends()
                    _ = try await world.network.serve(logLevel: "info")
                    isBack.update { $0 = true }
                    return admitted
                }
                let failureCount = Watched(0)
                let outcomes = try await Self.all(world.redeemers) { redeemer in
                    for _ in 0..<Self.tries {
                        do {
                            return try await redeemer.redeem(world.code)
                        } catch is JoinFailure {
                            failureCount.update { $0 += 1 }
                            _ = try await isBack.first { $0 ? true : nil }
                        }
                    }
                    throw Late(limit: .zero)
                }
                try await world.expectWinners(outcomes)
                let admitted = try await restart.value
                let friends = try await world.friends()
                #expect(admitted.count >= 2 && admitted.isSubset(of: friends))
                #expect(failureCount.value > 0)
            }
        }

        private static func all(
            _ redeemers: [Redeemer], _ body: @escaping @Sendable (Redeemer) async throws -> Redeemer.Outcome
        ) async throws -> [(Redeemer, Redeemer.Outcome)] {
            try await withThrowingTaskGroup(of: (Redeemer, Redeemer.Outcome).self) { tasks in
                for redeemer in redeemers {
                    tasks.addTask { (redeemer, try await body(redeemer)) }
                }
                return try await tasks.reduce(into: []) { $0.append($1) }
            }
        }
    }
}

/// An element of `cway friend list --json`.
private struct FriendRow: Decodable {
    let id: String
}
