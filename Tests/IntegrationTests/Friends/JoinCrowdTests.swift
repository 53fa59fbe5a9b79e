import Multiserver
import Node
import PeerSupport
import Testing
import TypedSodium

extension Integration {
    @Suite("An invite for two hundred")
    struct JoinCrowdTests {
        private static let count = 200

        /// As where people of a company, or at a congress, read one code at the same time.
        @Test("makes friends of all of them within a minute, from one address, without flags for it")
        func crowd() async throws {
            try await Stage.run { stage in
                let network = try await FriendNetwork.start(on: stage)
                let code = try await FriendNetwork.invite("crowd", uses: Self.count, on: stage)
                _ = try await network.serve(logLevel: "info")
                let redeemers = try await withThrowingTaskGroup { tasks in
                    for number in 0..<Self.count {
                        tasks.addTask { try Redeemer(folder: stage.path("redeemers/\(number)")) }
                    }
                    return try await tasks.reduce(into: []) { $0.append($1) }
                }
                let clock = ContinuousClock()
                let began = clock.now
                let tries = try await withThrowingTaskGroup(of: Int.self) { tasks in
                    for redeemer in redeemers {
                        tasks.addTask { try await Self.join(redeemer, code) }
                    }
                    return try await tasks.reduce(0, +)
                }
                let time = clock.now - began
                print("\(Self.count) joined in \(time), with \(tries) tries")
                #expect(time < .seconds(60))
                for redeemer in redeemers { #expect(try redeemer.hasFriend) }
                let list = try await stage.run(home: FriendNetwork.owner, ["friend", "list", "--json"])
                for redeemer in redeemers { #expect(list.contains(redeemer.identity.publicKey.id)) }
            }
        }

        /// Joins, and once more where the portal is slow, as its owner is told to do; how often that was.
        private static func join(_ redeemer: Redeemer, _ code: String) async throws -> Int {
            for tries in 1...3 {
                do {
                    #expect(try await redeemer.redeem(code) == .admitted)
                    return tries
                } catch JoinFailure.notYetReachable {
                    continue
                }
            }
            Issue.record("somebody did not get in")
            return 3
        }
    }
}
