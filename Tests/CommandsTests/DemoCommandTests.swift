import Commands
import Foundation
import Node
import Testing

@Suite("cway demo", .timeLimit(.minutes(2)), .serialized)
struct DemoCommandTests {
    private struct Summary: Decodable {
        struct RoundTrip: Decodable {
            let p50: Double
            let p99: Double
        }

        struct Seen: Decodable {
            let frames: Int
            let bytes: Int
            let readable: [String]
        }

        struct Step: Decodable {
            let title: String
            let seconds: Double
        }

        let bytes: Int
        let seconds: Double
        let megabytesPerSecond: Double
        let roundTripMicroseconds: RoundTrip
        let sha256: String
        let verified: Bool
        let portalSaw: Seen
        let friendResolved: Bool
        let strangerResolvedNothing: Bool
        let strangerRefused: Bool
        let removalSeconds: Double
        let freshKeyRefused: Bool
        let besideFloodMicroseconds: RoundTrip
        let steps: [Step]
        let totalSeconds: Double
        let folder: String?
    }

    @Test("plays all steps, reports in JSON alone, and leaves nothing behind")
    func reports() async throws {
        let demo = try BuiltCway("demo", "--size", "8", "--json")
        let code = try await demo.code()
        try #require(code == 0 && demo.complaints.isEmpty, "\(code) \(demo.complaints)")
        let summary = try JSONDecoder().decode(Summary.self, from: Data(demo.output.utf8))
        #expect(summary.bytes == 8 << 20 && summary.verified && summary.sha256.count == 64)
        #expect(summary.megabytesPerSecond > 0 && summary.seconds > 0)
        #expect(summary.roundTripMicroseconds.p50 > 0)
        #expect(summary.roundTripMicroseconds.p50 <= summary.roundTripMicroseconds.p99)
        #expect(summary.besideFloodMicroseconds.p50 > 0)
        #expect(summary.portalSaw.frames > 4 && summary.portalSaw.bytes > 500)
        #expect(summary.portalSaw.readable.isEmpty && summary.strangerRefused)
        #expect(summary.friendResolved && summary.strangerResolvedNothing && summary.removalSeconds > 0)
        #expect(summary.steps.count == 14 && summary.freshKeyRefused && summary.folder == nil)
        #expect(demo.leftovers.isEmpty && demo.descendants.isEmpty)
    }

    @Test("tells it in words without control characters, and keeps the folder where it is told to")
    func words() async throws {
        let demo = try BuiltCway("demo", "--size", "1", "--keep")
        let code = try await demo.code()
        try #require(code == 0, "\(code) \(demo.complaints)")
        let controls = (demo.output + demo.complaints).unicodeScalars.filter { $0.value < 32 && $0 != "\n" }
        #expect(controls.isEmpty)
        #expect(demo.output.split(separator: "✓").count == 15 && demo.output.contains("MB/s"))
        let folder = try #require(demo.leftovers.first)
        #expect(demo.complaints.contains(folder) && demo.descendants.isEmpty)
    }

    @Test(
        "names the process that died, and leaves nothing behind", arguments: ["portal", "serve", "connect"])
    func casualty(_ command: String) async throws {
        let demo = try BuiltCway("demo", "--size", "16")
        try await demo.printed("/data")
        let victim = demo.descendants.first { $0.value.contains(" \(command) ") }?.key
        kill(try #require(victim), SIGKILL)
        #expect(try await demo.code() == ExitStatus.unexpected.rawValue)
        let role = ["portal": "portal", "serve": "owner", "connect": "friend"][command] ?? ""
        #expect(demo.complaints.contains("the \(role) was killed by signal 9"), "\(demo.complaints)")
        #expect(demo.complaints.contains("cway: step "))
        #expect(demo.leftovers.isEmpty && demo.descendants.isEmpty)
    }

    @Test("cleans up when it is interrupted", arguments: [SIGINT, SIGTERM])
    func interruption(_ signal: Int32) async throws {
        let demo = try BuiltCway("demo", "--size", "16")
        try await demo.printed("/data")
        demo.signal(signal)
        let code = try await demo.code()
        #expect(code == 128 + signal, "\(demo.complaints)")
        #expect(demo.leftovers.isEmpty && demo.descendants.isEmpty)
    }

    @Test("leaves no process behind even when it is killed")
    func kill9() async throws {
        let demo = try BuiltCway("demo", "--size", "16")
        try await demo.printed("/data")
        #expect(demo.descendants.count == 3)
        demo.signal(SIGKILL)
        _ = try await demo.code()
        #expect(try await demo.hasNoDescendants())
    }

    @Test("gives up in time, and says where it was")
    func timeLimit() async throws {
        let demo = try BuiltCway("demo", "--size", "4096", "--time-limit", "3")
        #expect(try await demo.code() == ExitStatus.unexpected.rawValue)
        #expect(demo.complaints.contains("step ") && demo.complaints.contains("3 s were over"))
        #expect(demo.leftovers.isEmpty && demo.descendants.isEmpty)
    }

    private struct ClusterSummary: Decodable {
        let bytes: Int
        let verified: Bool
        let machineSeconds: Double
        let serverSeconds: Double
        let isWhole: Bool
        let steps: [Step]

        struct Step: Decodable {
            let title: String
        }
    }

    @Test("plays one portal on three machines, of which one dies, and leaves nothing behind")
    func cluster() async throws {
        let demo = try BuiltCway("demo", "--cluster", "--size", "8", "--json")
        let code = try await demo.code()
        try #require(code == 0 && demo.complaints.isEmpty, "\(code) \(demo.complaints)")
        let summary = try JSONDecoder().decode(ClusterSummary.self, from: Data(demo.output.utf8))
        #expect(summary.bytes == 8 << 20 && summary.verified && summary.isWhole && summary.steps.count == 10)
        #expect(summary.machineSeconds <= 10 && summary.serverSeconds <= 10)
        #expect(demo.leftovers.isEmpty)
        #expect(try await demo.hasNoDescendants())
    }
}
