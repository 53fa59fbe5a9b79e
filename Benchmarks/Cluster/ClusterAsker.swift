internal import Foundation
internal import Multiserver
internal import MuxRPC
internal import PeerSupport
internal import TypedSodium

/// A member at a machine that asks for targets which nobody announces.
final class ClusterAsker {
    /// How long each took, and how many there were a second.
    struct Times {
        var values: [Double] = []
        var rate = 0.0

        var p99: Double {
            let sorted = values.sorted()
            return sorted.isEmpty ? .nan : sorted[(sorted.count - 1) * 99 / 100]
        }
    }

    private let end: RawEnd
    private var number: Int32 = 0

    /// Connects a fresh identity, which the portal knows as a member.
    init(at machine: Int, of stage: ClusterStage) async throws {
        let identity = try Identity.random()
        _ = try await stage.output(
            home: "machine\(machine)", ["portal", "members", "add", identity.publicKey.id])
        // The process looks at its members once a second.
        try await Task.sleep(for: .milliseconds(1_500))
        end = try RawEnd(identity, to: stage.id, at: stage.places[machine].port)
    }

    /// How long one takes, in milliseconds.
    func time(to target: String) throws -> Double {
        let start = ContinuousClock.now
        try ask(for: target)
        let asked = -number
        _ = try end.packet { $0.header.requestNumber == asked && $0.header.isEnd }
        return (ContinuousClock.now - start).inSeconds * 1e3
    }

    /// Asks for so long, always with so many under way.
    func times(during seconds: Double, atOnce width: Int) throws -> Times {
        var times = Times()
        var begun: [Int32: ContinuousClock.Instant] = [:]
        let start = ContinuousClock.now
        while true {
            let isOver = (ContinuousClock.now - start).inSeconds >= seconds
            while !isOver, begun.count < width {
                let target = try Identity.random().publicKey.id
                let now = ContinuousClock.now
                try ask(for: target)
                begun[-number] = now
            }
            if begun.isEmpty { break }
            let packet = try end.packet { $0.header.isEnd && begun[$0.header.requestNumber] != nil }
            if let began = begun.removeValue(forKey: packet.header.requestNumber) {
                times.values.append((ContinuousClock.now - began).inSeconds * 1e3)
            }
        }
        times.rate = Double(times.values.count) / (ContinuousClock.now - start).inSeconds
        return times
    }

    private func ask(for target: String) throws {
        number += 1
        try end.connect(to: target, number: number)
    }
}
