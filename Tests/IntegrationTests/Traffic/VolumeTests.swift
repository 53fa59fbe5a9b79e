import Foundation
import Glibc
import PeerSupport
import Testing
import Watching

extension Integration {
    @Suite("A member's volume")
    struct VolumeTests {
        /// Sends so much through `connect --stdio` to a service that echoes; how the command ended.
        private static func send(_ byteCount: Int, over network: TestNetwork) async throws -> CwayProcess {
            let input = network.stage.path("input")
            try Data(repeating: 7, count: byteCount).write(to: URL(fileURLWithPath: input))
            let process = try network.connect(
                "echo", ["--stdio"], input: FileHandle(forReadingFrom: URL(fileURLWithPath: input)),
                outputFile: FileHandle(forWritingAtPath: "/dev/null"))
            try await process.end(within: .seconds(30))
            return process
        }

        @Test("ends its tunnels with words, is shown, and is known again after kill -9")
        func usedUp() async throws {
            try await Stage.run { stage in
                let service = try await stage.service(.echo)
                let id = try await stage.id(home: "endpoint")
                let added = try stage.cway(
                    home: "portal", ["portal", "members", "add", id, "--label", "home"])
                #expect(try await added.end() == .exit(0), "\(added.log)")
                let flags = ["--member-volume", "6MB", "--source-rate", "50MB/s"]
                let network = try await TestNetwork.start(
                    on: stage, services: ["echo": service.port], portalFlags: flags)
                #expect(try await Self.send(1_000_000, over: network).ending == .exit(0))
                // Ten seconds is what a kill may cost.
                try await network.portal.process.logLine(with: "in this month is kept")

                network.portal.process.signal(SIGKILL)
                try await network.portal.process.end()
                let portal = try await TestNetwork.Portal.start(on: stage, port: network.portal.port, flags)
                try await network.endpoint.logLines(2, with: "info announced")
                let restored = try await Self.member(on: stage)
                #expect((100_000..<3_000_000).contains(restored.monthByteCount) && !restored.isUsedUp)

                let cut = try await Self.send(4_000_000, over: network)
                #expect(cut.ending == .exit(17), "\(cut.log)")
                #expect(cut.log.contains("this month's volume is used up"), "\(cut.log)")
                try await portal.process.logLine(with: "volume is used up")
                let refused = try await Self.send(10, over: network)
                #expect(refused.ending == .exit(12), "\(refused.log)")
                #expect(
                    refused.log.contains("volume used up")
                        && refused.log.contains("ask its operator for more"))
                let used = try await Self.member(on: stage)
                #expect(used.isUsedUp && used.label == "home")

                // In order, it forgets nothing; and tells the member's node when that comes back.
                portal.process.signal(SIGTERM)
                try await portal.process.end()
                _ = try await TestNetwork.Portal.start(on: stage, port: network.portal.port, flags)
                try await network.endpoint.logLine(with: "volume at the portal is used up")
                #expect(try await Self.member(on: stage).monthByteCount == used.monthByteCount)
            }
        }

        private struct Reports: Decodable {
            let processes: [StatusReport]
        }

        private static func member(on stage: Stage) async throws -> MemberReport {
            let status = try stage.cway(home: "portal", ["status", "--json"])
            #expect(try await status.end() == .exit(0), "\(status.log)")
            let reports = try JSONDecoder().decode(Reports.self, from: Data(status.outputText.utf8))
            return try #require(reports.processes.first?.portal?.members.first)
        }
    }
}
