import Foundation
import Multiserver
import PeerSupport
import Testing
import TypedSodium

extension ClusterProcesses {
    @Suite("A miss")
    struct MissTests {
        private static let tries = isLong ? 4_000 : 250
        /// How far classes may lie apart, in standard deviations.
        ///
        /// Three pairs are compared by two measures, so that in CI one run of ten thousand is beyond its limit by chance.
        private static let limit = isLong ? 3.0 : 4.5

        /// Whoever is asked for, in one of the two forms of a target: an id, or a token's address.
        private struct Target {
            let name: String
            let text: String
            /// The class that it is compared with, of the same form: the caller knows which form it chose.
            let reference: Int
        }

        @Test("takes the same time for who is absent, hidden, unknown or denied")
        func misses() async throws {
            try await ClusterStage.run { stage in
                let targets = try await Self.targets(of: stage)
                let askers = try await stage.members(16).map { member in
                    try RawEnd(member, to: stage.id, at: stage.places[1].port)
                }
                var times = targets.map { _ in [Double]() }
                let order = (0..<Self.tries).flatMap { _ in targets.indices.shuffled() }
                for (number, index) in order.enumerated() {
                    let time = try askers[number % askers.count].miss(targets[index].text)
                    times[index].append(time / .milliseconds(1))
                }
                let samples = times.map { TimeSample($0) }
                for (index, target) in targets.enumerated() where target.reference != index {
                    let reference = samples[target.reference]
                    let mean = samples[index].distance(from: reference)
                    let ranks = samples[index].rankDistance(from: reference)
                    print(
                        "\(target.name) against \(targets[target.reference].name), \(Self.tries) tries, "
                            + "p50 \(samples[index].part(0.5)) ms: \(mean) σ, z \(ranks)")
                    #expect(
                        abs(mean) < Self.limit && abs(ranks) < Self.limit,
                        "\(target.name): \(mean) σ, z \(ranks)")
                }
            }
        }

        /// Absent, hidden and denied by id; unknown and denied by token.
        private static func targets(of stage: ClusterStage) async throws -> [Target] {
            _ = try await stage.output(home: "hidden", ["portals", "add", stage.address(of: 0)])
            _ = try await stage.output(home: "hidden", ["invite", "create", "--service", "bytes"])
            let process = try stage.serve(home: "hidden", try stage.service(), isHidden: true)
            _ = try await process.line()
            let hidden = try await stage.output(home: "hidden", ["id"])
            let denied = try RawEnd(.random(), to: stage.id, at: stage.places[0].port)
            try denied.announce()
            try await stage.areListed([denied.id])
            let deniedToken = try token()
            let deniedHidden = try RawEnd(.random(), to: stage.id, at: stage.places[0].port)
            try deniedHidden.announce(token: deniedToken)
            for end in [denied, deniedHidden] {
                _ = try await stage.output(home: "machine0", ["portal", "deny", end.id])
            }
            try await stage.areListed([denied.id], isListed: false)
            try deniedHidden.awaitEnd()
            return [
                Target(name: "absent", text: try Identity.random().publicKey.id, reference: 0),
                Target(
                    name: "hidden", text: hidden.trimmingCharacters(in: .newlines), reference: 0),
                Target(name: "denied", text: denied.id, reference: 0),
                Target(name: "unknown token", text: try token() + ".token1", reference: 3),
                Target(name: "denied token", text: deniedToken + ".token1", reference: 3),
            ]
        }

        private static func token() throws -> String {
            Foundation.Data(try Identity.random().publicKey.bytes.array).base64EncodedString()
        }
    }
}
