import Commands
import Foundation
import Multiserver
import Node
import Testing
import Tunnel

@Suite("cway speedtest", .timeLimit(.minutes(1)))
struct SpeedTestCommandTests {
    private struct Report: Decodable {
        struct RoundTrip: Decodable {
            let p50: Double
            let p99: Double
        }

        let bytes: Int
        let seconds: Double
        let megabytesPerSecond: Double
        let roundTripMicroseconds: RoundTrip
        let sha256: String
        let verified: Bool
    }

    @Test("sends, receives, verifies and reports, in JSON and in words")
    func reports() async throws {
        try await TestedNetwork.run { network in
            let (portal, target) = (network.portal.description, network.target.description)
            let run = await network.command("speedtest", target, "--portal", portal, "--size", "4", "--json")
            #expect(run.code == 0 && run.complaints.isEmpty, "\(run)")
            let report = try JSONDecoder().decode(Report.self, from: Data(run.output.utf8))
            #expect(report.bytes == 4 << 20 && report.verified && report.seconds > 0)
            let speed = Double(report.bytes) / report.seconds / 1e6
            #expect(abs(report.megabytesPerSecond - speed) < 0.001 * speed)
            #expect(report.sha256.count == 64)
            #expect(report.roundTripMicroseconds.p50 > 0)
            #expect(report.roundTripMicroseconds.p50 <= report.roundTripMicroseconds.p99)

            let words = await network.command("speedtest", target, "--portal", portal, "--size", "1")
            #expect(words.code == 0 && words.output.contains("MB/s") && words.output.contains("p99"))
            #expect(words.output.split(separator: "\n").count == 3)
        }
    }

    @Test("fails with the cause where there is no echo, no target, or no permission")
    func failures() async throws {
        try await TestedNetwork.run(allowsCaller: false) { network in
            let portal = network.portal.description
            let noEcho = await network.command("speedtest", portal)
            #expect(noEcho.code == ExitStatus.methodFailed.rawValue, "\(noEcho)")
            #expect(noEcho.complaints.contains("echo"))
            let refused = await network.command(
                "speedtest", network.target.description, "--portal", portal)
            #expect(refused.code == ExitStatus.innerHandshakeRefused.rawValue, "\(refused)")
            let size = await network.command("speedtest", portal, "--size", "0")
            #expect(size.code == ExitStatus.usage.rawValue)
        }
    }

    @Test("has a code for bytes that changed on the way")
    func codes() {
        #expect(CommandFailure(SpeedTestError.otherBytes).status == .verificationFailed)
        #expect(CommandFailure(SpeedTestError.ended(.truncated)).status == .connectionLost)
        #expect(CommandFailure(SpeedTestError.ended(.remote("no"))).message.contains("no"))
    }
}
