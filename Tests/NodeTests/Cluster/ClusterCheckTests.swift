import Multiserver
import NATS
import Node
import PeerSupport
import Testing

@Suite("The doctor at NATS, with a real server", .serialized)
struct ClusterCheckTests {
    private func finding(_ server: NATSServer, as user: String) async throws -> Finding {
        var settings = ClusterSettings()
        settings.servers = [
            try ClusterServer(server.address.replacing("nats://", with: "nats://\(user)@"))
        ]
        settings.listen = try ListenAddress("127.0.0.1:8009")
        return try #require(await ClusterCheck(settings).entryFinding())
    }

    @Test("finds that NATS lets a portal in and has streams for it, or says what is wrong with either")
    func entry() async throws {
        let access = "authorization { user: cway, password: right }"
        let server = try await NATSServer(["-js"], configuration: access)
        let good = try await finding(server, as: "cway:right")
        #expect(good.verdict == .good, "\(good)")
        let refused = try await finding(server, as: "cway:wrong")
        #expect(refused.verdict == .bad && refused.words.contains("Authorization Violation"), "\(refused)")
        #expect(refused.remedy != nil && !refused.words.contains("wrong"))
        let plain = try await NATSServer(configuration: access)
        let streamless = try await finding(plain, as: "cway:right")
        #expect(streamless.verdict == .bad && streamless.words.contains("JetStream"), "\(streamless)")
        plain.kill()
        let away = try await finding(plain, as: "cway:right")
        #expect(away.verdict == .bad && away.remedy != nil, "\(away)")
    }

    @Test("says nothing where settings name no cluster")
    func none() async { #expect(await ClusterCheck(ClusterSettings()).entryFinding() == nil) }
}
