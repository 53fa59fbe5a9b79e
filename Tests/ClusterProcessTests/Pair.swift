import Foundation
import PeerSupport
import Testing

/// An endpoint at one machine, and clients at another one.
struct Pair {
    let stage: ClusterStage
    let endpoint: CwayProcess
    let target: String
    let service: PatternService

    /// Starts the endpoint, with a service that sends what is asked for.
    static func start(on stage: ClusterStage, at machine: Int) async throws -> Pair {
        let service = try stage.service()
        let endpoint = try stage.cway(
            home: "owner",
            [
                "serve", "--service", "bytes=127.0.0.1:\(service.port)", "--allow-anyone", "--portal",
                stage.address(of: machine),
            ])
        return Pair(stage: stage, endpoint: endpoint, target: try await endpoint.line(), service: service)
    }

    /// Starts a client at a machine, and returns the local port that leads to the endpoint's service.
    func client(_ home: String, at machine: Int) async throws -> UInt16 {
        let process = try stage.cway(
            home: home,
            [
                "connect", target, "bytes", "--listen", "127.0.0.1:0", "--portal",
                stage.address(of: machine),
            ])
        let line = try await process.line()
        return try #require(line.split(separator: ":").last.flatMap { UInt16($0) }, "no port: \(line)")
    }
}

/// Reads from a service at a rate, not faster.
enum PacedReader {
    /// How much comes within a time, where no more than so many bytes a second are taken.
    static func received(
        from port: UInt16, bytesPerSecond: Int, for time: Duration, seed: UInt64,
        progress: @escaping @Sendable (Int) -> Void = { _ in }
    ) async -> PatternOutcome {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                let start = ContinuousClock.now
                let outcome = PatternService.fetch(
                    Int(Double(bytesPerSecond) * (time / .seconds(1))), seed: seed, from: port
                ) { count in
                    progress(count)
                    // Time itself is what a rate waits for.
                    let due = start + .seconds(Double(count) / Double(bytesPerSecond))
                    let left = ContinuousClock.now.duration(to: due) / .seconds(1)
                    if left > 0 { Thread.sleep(forTimeInterval: left) }
                }
                continuation.resume(returning: outcome)
            }
        }
    }
}
