import Foundation
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

                for port in [other.port, other.port] {
                    let transfer = try await LocalConnection.dial(port)
                    let received = try await transfer.end(within: .seconds(60))
                    #expect(received.ending == .complete && received.hash == pattern.hash)
                }
                let growth = zip(try processes.map(Self.peak), start).map { $0 - $1 }
                #expect(growth.allSatisfy { $0 < Self.bound }, "bytes: \(growth)")
                #expect(endless.sentByteCount.value < 64 << 20, "it was read on")
                #expect(!reader.hasEnded)
                await reader.close()
            }
        }

        @Test("leaves the other connections of its own session some credit")
        func sameSession() async throws {
            try await Stage.run { stage in
                let endless = try await stage.service(.source(.mebibytes(1024, seed: 3)))
                let pattern = Pattern.mebibytes(4, seed: 4)
                let network = try await TestNetwork.start(
                    on: stage, services: ["endless": endless.port])
                let stalled = try await network.forward("endless")
                let readers = [
                    try await LocalConnection.dial(stalled.port, reads: false),
                    try await LocalConnection.dial(stalled.port),
                ]
                _ = try await endless.sentByteCount.first { $0 > pattern.byteCount * 4 ? true : nil }
                _ = try await readers[1].text(1)
                for reader in readers { await reader.close() }
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
