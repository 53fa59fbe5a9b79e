import Blinding
import Foundation
import Keyring
import Multiserver
import NIOCore
import Node
import PeerSupport
import Testing
import TypedSodium

extension Integration {
    /// Says how long refusals take, for somebody to compare; no time is asserted.
    ///
    /// For distributions that mean something: `REFUSAL_TRIES=2000 swift test --filter RefusalTimeTests`.
    @Suite("The time to a refusal")
    struct RefusalTimeTests {
        /// One kind of lie, as calls that differ in their tokens at most.
        private struct Lie: Sendable {
            let name: String
            let orders: [LiarCall.Order]

            init(_ name: String, _ targets: [String], inside: (Identity, PublicKey)? = nil) {
                self.name = name
                orders = targets.map { .init(target: $0, inside: inside, probe: "nobody") }
            }
        }

        private static let tries =
            ProcessInfo.processInfo.environment["REFUSAL_TRIES"].flatMap { Int($0) } ?? 20
        private static let friendCount = 7

        @Test("by a name that was not announced is printed")
        func names() async throws {
            try await LiedTo.run(friendCount: Self.friendCount + 1) { world, _ in
                let gone = try #require(world.friends.last)
                let tokensOfGone = try world.tokens(of: gone)
                try world.keyring.friends.remove(gone.publicKey, now: WallClock.seconds())
                let announcement = try await world.liar.announcement(2)
                let nobody = try Identity.random().publicKey
                let lies = [
                    Lie("the owner's id", [world.owner.publicKey.id]),
                    Lie("the pseudonym", [try world.pseudonym.id]),
                    Lie("a friend's id", world.friends.map(\.publicKey.id)),
                    Lie("an unknown id", [nobody.id]),
                    Lie("the owner's id as a token", [PairToken(world.owner.publicKey.bytes).target]),
                    Lie("a removed friend's token", tokensOfGone.map(\.target)),
                    Lie("an unknown token", [PairToken(nobody.bytes).target]),
                ]
                try await report(lies, Self.tries, workers: 1, in: world, on: announcement)
            }
        }

        @Test("after a proof is printed, and the time to the answer before it")
        func proofs() async throws {
            try await LiedTo.run(friendCount: Self.friendCount) { world, announcement in
                let owner = world.owner.publicKey
                let (stranger, friend) = (try Identity.random(), world.friends[0])
                let friends = try world.friends.dropFirst().flatMap { try world.tokens(of: $0) }.map(\.target)
                let ghosts = try world.tokens(of: nil).map(\.target)
                let lies = [
                    Lie("a friend's token, a stranger's key", friends, inside: (stranger, owner)),
                    Lie("a ghost's token, a stranger's key", ghosts, inside: (stranger, owner)),
                    Lie("a friend's token, another friend's key", friends, inside: (friend, owner)),
                    Lie("a ghost's token, a friend's key", ghosts, inside: (friend, owner)),
                    Lie("a friend's token, a wrong owner", friends, inside: (stranger, stranger.publicKey)),
                    Lie("a ghost's token, a wrong owner", ghosts, inside: (stranger, stranger.publicKey)),
                ]
                // Sixty at a time; tokens that were wrong are looked at more slowly, whosever they are.
                try await report(lies, Self.tries, workers: 10, in: world, on: announcement)
            }
        }

        @Test("of somebody silent is printed")
        func silence() async throws {
            try await LiedTo.run(friendCount: Self.friendCount) { world, announcement in
                let friends = try world.friends.flatMap { try world.tokens(of: $0) }.map(\.target)
                let ghosts = try world.tokens(of: nil).map(\.target)
                let lies = [
                    Lie("a friend's token, silence", friends), Lie("a ghost's token, silence", ghosts),
                ]
                // Each takes 2 s: a tenth of the tries.
                try await report(lies, max(1, Self.tries / 10), workers: 24, in: world, on: announcement)
            }
        }

        // MARK: Trying

        /// Tells all the lies, side by side so that the machine's moods meet all of them, and prints what came of it.
        private func report(
            _ lies: [Lie], _ tries: Int, workers: Int, in world: LiedTo,
            on announcement: LyingPortal.Announcement
        ) async throws {
            let results = try await withThrowingTaskGroup { tasks in
                for (number, lie) in lies.enumerated() {
                    tasks.addTask {
                        (
                            number,
                            try await outcomes(
                                of: lie, tries, workers: workers, at: world.liar,
                                on: announcement.connection)
                        )
                    }
                }
                return try await tasks.reduce(into: [:]) { $0[$1.0] = $1.1 }
            }
            for (number, lie) in lies.enumerated() {
                let outcomes = results[number] ?? []
                #expect(outcomes.count == tries)
                print(Self.line("refusal", lie.name, outcomes.map(\.timeToEnd)))
                let answers = outcomes.compactMap(\.timeToAnswer)
                if !answers.isEmpty { print(Self.line("answer to the hello", lie.name, answers)) }
                let probes = outcomes.compactMap(\.timeToProbe)
                if !probes.isEmpty { print(Self.line("work on the proof", lie.name, probes)) }
            }
        }

        /// Tells a lie so many times; each worker has tokens of its own.
        private func outcomes(
            of lie: Lie, _ tries: Int, workers: Int, at liar: LyingPortal, on connection: Int
        ) async throws -> [LiarCall.Outcome] {
            let workers = min(workers, tries, lie.orders.count)
            return try await withThrowingTaskGroup(of: [LiarCall.Outcome].self) { tasks in
                for worker in 0..<workers {
                    tasks.addTask {
                        let orders = stride(from: worker, to: lie.orders.count, by: workers)
                            .map { lie.orders[$0] }
                        var outcomes: [LiarCall.Outcome] = []
                        for number in 0..<(tries - worker + workers - 1) / workers {
                            let order = orders[number % orders.count]
                            // Out of step: all refusals take as long, and one kind would be behind another for ever.
                            try await Task.sleep(for: .milliseconds(Int.random(in: 0..<50)))
                            let outcome = try await liar.call(order, on: connection)
                            #expect(outcome.ending == LiedTo.refusal(of: order.target), "\(lie.name)")
                            outcomes.append(outcome)
                        }
                        return outcomes
                    }
                }
                return try await tasks.reduce(into: []) { $0 += $1 }
            }
        }

        private static func line(_ what: String, _ name: String, _ times: [TimeAmount]) -> String {
            let sorted = times.map { Double($0.nanoseconds) / 1e6 }.sorted()
            let marks = [("p1", 0.01), ("p50", 0.5), ("p90", 0.9), ("p99", 0.99)].map { mark, part in
                "\(mark) \(String(format: "%.3f", sorted[Int(Double(sorted.count - 1) * part)]))"
            }
            return "\(what), \(name), \(times.count) tries, ms: \(marks.joined(separator: ", "))"
        }
    }
}
