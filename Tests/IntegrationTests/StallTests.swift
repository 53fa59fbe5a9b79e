import Foundation
import PeerSupport
import Testing

extension Integration {
    @Suite("A reader that stops")
    struct StallTests {
        private static let bound = 64 << 20

        @Test("holds little memory of portal and endpoint, and delays nobody else")
        func stalledReader() async throws {
            try await Stage.run { stage in
                let endless = try await stage.service(.source(.mebibytes(1024, seed: 1)))
                let pattern = Pattern.mebibytes(64, seed: 2)
                let network = try await TestNetwork.start(
                    on: stage,
                    services: ["endless": endless.port, "source": stage.service(.source(pattern)).port])
                let stalled = try await network.forward("endless", home: "stalled")
                let other = try await network.forward("source", home: "other")
                let processes = [network.portal.process, network.endpoint]
                let start = try processes.map(Self.resident)

                let reader = try await LocalConnection.dial(stalled.port, reads: false)
                // More than the initial credit, so that the windows have grown, before the other one starts.
                _ = try await endless.sentByteCount.first { $0 > 1 << 20 ? true : nil }

                let transfer = try await LocalConnection.dial(other.port)
                let received = try await transfer.end()
                #expect(received.ending == .complete && received.hash == pattern.hash)
                let growth = zip(try processes.map(Self.peak), start).map { $0 - $1 }
                #expect(growth.allSatisfy { $0 < Self.bound }, "bytes: \(growth)")
                #expect(endless.sentByteCount.value < 64 << 20, "it was read on")
                #expect(!reader.hasEnded)
                await reader.close()
            }
        }

        @Test("leaves the other connections of its own session credit")
        func sameSession() async throws {
            try await Stage.run { stage in
                let pattern = Pattern.mebibytes(32, seed: 3)
                let source = try await stage.service(.source(pattern))
                let network = try await TestNetwork.start(on: stage, services: ["source": source.port])
                let forward = try await network.forward("source")
                let stalled = try await LocalConnection.dial(forward.port, reads: false)
                _ = try await source.sentByteCount.first { $0 > 1 << 20 ? true : nil }
                let other = try await LocalConnection.dial(forward.port)
                let received = try await other.end(within: .seconds(30))
                #expect(received.ending == .complete && received.hash == pattern.hash)
                #expect(!stalled.hasEnded)
                for connection in [stalled, other] { await connection.close() }
            }
        }

        @Test("is not one that has received everything and only keeps its own side open")
        func halfClosed() async throws {
            try await Stage.run { stage in
                let pattern = Pattern.mebibytes(16, seed: 5)
                let network = try await TestNetwork.start(
                    on: stage, services: ["source": stage.service(.source(pattern)).port])
                let forward = try await network.forward("source")
                var connections: [LocalConnection] = []
                for _ in 0..<4 {
                    let connection = try await LocalConnection.dial(forward.port)
                    let received = try await connection.end(within: .seconds(30))
                    #expect(received.ending == .complete && received.hash == pattern.hash)
                    connections.append(connection)  // still open in the other direction
                }
                for connection in connections { await connection.close() }
            }
        }

        private static func resident(_ process: CwayProcess) throws -> Int { try field("VmRSS", of: process) }

        private static func peak(_ process: CwayProcess) throws -> Int { try field("VmHWM", of: process) }

        /// In bytes; see proc_pid_status(5).
        private static func field(_ name: String, of process: CwayProcess) throws -> Int {
            let status = try String(contentsOfFile: "/proc/\(process.id)/status", encoding: .utf8)
            let line = try #require(status.split(separator: "\n").first { $0.hasPrefix(name) })
            let kibibytes = try #require(
                line.split(separator: " ").dropFirst().first.flatMap { Int($0) }, "\(line)")
            return kibibytes << 10
        }
    }
}
