import Foundation
import MuxRPC
import NIOCore
import PeerSupport
import TypedSodium
import Testing

extension ClusterProcesses {
    @Suite("Across a link")
    struct LinkTests {
        @Test("a reader that stalls takes nothing from others, and no memory beyond its windows")
        func stall() async throws {
            try await ClusterStage.run { stage in
                let pair = try await Pair.start(on: stage, at: 0)
                let (still, lively) = (
                    try await pair.client("still", at: 1), try await pair.client("lively", at: 1)
                )
                // Well below what such a machine carries, so that only a hindrance can take of it.
                let rate = 4_000_000
                let before = await PacedReader.received(
                    from: lively, bytesPerSecond: rate, for: .seconds(3), seed: 1)
                #expect(before.isWhole, "\(before)")
                let memory = try stage.memory
                let stalled = try (0..<4).map { number in
                    let socket = try LoopbackSocket.dialling(still, until: .now + .seconds(60))
                    try socket.writeAll(PatternService.request(seed: UInt64(number), byteCount: 1 << 30))
                    return socket
                }
                // Until everything on the way is full.
                try await pair.service.stalledCount.first { $0 == stalled.count ? () : nil }
                let beside = await PacedReader.received(
                    from: lively, bytesPerSecond: rate, for: .seconds(3), seed: 2)
                #expect(beside.isWhole, "\(beside)")
                #expect(beside.time < before.time / 0.95, "\(before.time) alone, \(beside.time) beside")
                let held = try zip(stage.memory, memory).map { $0 - $1 }
                #expect(held.allSatisfy { $0 < 32 << 20 }, "\(held)")
                for socket in stalled { socket.cut() }
            }
        }

        @Test("10 MB/s pass over 50 ms of delay without a cut")
        func delay() async throws {
            var plan = ClusterStage.Plan()
            plan.linkDelay = .milliseconds(50)
            try await ClusterStage.run(plan) { stage in
                let pair = try await Pair.start(on: stage, at: 0)
                let port = try await pair.client("friend", at: 1)
                // What a window that has not grown yet takes longer for.
                _ = await PatternService.fetched(4_000_000, seed: 1, from: port)
                let outcome = await PacedReader.received(
                    from: port, bytesPerSecond: 10_000_000, for: .seconds(6), seed: 2)
                #expect(outcome.isWhole, "\(outcome)")
                #expect(outcome.time < .seconds(7.5), "\(outcome.time)")
            }
        }

        @Test("what JavaScript cuts passes in order, both ways")
        func javaScriptFrames() async throws {
            try await ClusterStage.run { stage in
                let endpoint = try RawEnd(.random(), to: stage.id, at: stage.places[0].port)
                try endpoint.announce()
                let client = try RawEnd(.random(), to: stage.id, at: stage.places[1].port)
                let name =
                    #"{"name":["tunnel","connect"],"args":[{"target":"\#(endpoint.id)"}],"type":"duplex"}"#
                try client.call(name, isStream: true, number: 1)
                let call = try endpoint.packet { $0.header.requestNumber > 0 }
                let number = call.header.requestNumber
                #expect(String(buffer: call.body).contains("tunnel"))

                var sent: [UInt8] = []
                for (index, byteCount) in [1, 43, 4087, 4088, 4096, 4130, 65_536, 65_536, 9000].enumerated() {
                    let body = Array(PatternBytes(seed: UInt64(index)).slice(at: 0, limit: byteCount))
                    try client.send(number: 1, body: body)
                    sent += body
                }
                #expect(try endpoint.bytes(sent.count, number: number) == sent)
                let back = Array(PatternBytes(seed: 99).slice(at: 0, limit: 60_000))
                for start in stride(from: 0, to: back.count, by: 5_000) {
                    try endpoint.send(number: -number, body: Array(back[start..<start + 5_000]))
                }
                #expect(try client.bytes(back.count, number: -1) == back)
            }
        }
    }
}

extension ClusterStage {
    /// What each machine has in memory, in bytes.
    var memory: [Int] {
        get throws {
            try places.indices.map { index in
                let status = try String(
                    contentsOfFile: "/proc/\(machine(index)?.id ?? 0)/status", encoding: .utf8)
                let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") } ?? ""
                return 1024 * (line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0)
            }
        }
    }
}
