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

        @Test("takes the same time for who is absent, hidden, unknown or denied")
        func misses() async throws {
            try await ClusterStage.run { stage in
                _ = try await stage.output(home: "hidden", ["portals", "add", stage.address(of: 0)])
                _ = try await stage.output(home: "hidden", ["invite", "create", "--service", "bytes"])
                let service = try stage.service()
                let process = try stage.serve(home: "hidden", service, isHidden: true)
                _ = try await process.line()
                let denied = try RawEnd(.random(), to: stage.id, at: stage.places[0].port)
                try denied.announce()
                try await stage.areListed([denied.id])
                _ = try await stage.output(home: "machine0", ["portal", "deny", denied.id])
                try await stage.areListed([denied.id], isListed: false)
                let unknown = Foundation.Data(try Identity.random().publicKey.bytes.array)
                let classes = [
                    ("absent", try Identity.random().publicKey.id),
                    (
                        "hidden",
                        try await stage.output(home: "hidden", ["id"]).trimmingCharacters(in: .newlines)
                    ),
                    ("unknown", unknown.base64EncodedString() + ".token1"), ("denied", denied.id),
                ]
                let askers = try await stage.members(16).map { member in
                    try RawEnd(member, to: stage.id, at: stage.places[1].port)
                }
                var times = classes.map { _ in [Double]() }
                let order = (0..<Self.tries).flatMap { _ in classes.indices.shuffled() }
                for (number, index) in order.enumerated() {
                    let time = try askers[number % askers.count].miss(classes[index].1)
                    times[index].append(time / .milliseconds(1))
                }
                let samples = times.map { TimeSample($0) }
                for (name, sample) in zip(classes.map(\.0), samples).dropFirst() {
                    let (mean, ranks) = (
                        sample.distance(from: samples[0]), sample.rankDistance(from: samples[0])
                    )
                    print(
                        "\(name) against absent, \(Self.tries) tries, p50 \(sample.part(0.5)) ms: "
                            + "\(mean) σ, z \(ranks)")
                    #expect(
                        abs(mean) < Self.limit && abs(ranks) < Self.limit, "\(name): \(mean) σ, z \(ranks)")
                }
            }
        }
    }
}
