import Foundation
import NATS
import PeerSupport
import Testing

@Suite("NATS: connections, with a real server", .serialized)
struct ConnectionTests {
    private func settings(_ server: NATSServer, _ change: (inout NATSSettings) -> Void = { _ in })
        -> NATSSettings
    {
        var settings = NATSSettings(servers: [server.address], name: "test")
        change(&settings)
        return settings
    }

    /// A connection that stands, and what it tells.
    private func connected(
        _ settings: NATSSettings
    ) async throws -> (NATSConnection, Watched<[NATSEvent]>) {
        let events = Watched<[NATSEvent]>([])
        let connection = try NATSConnection(settings) { event in events.update { $0.append(event) } }
        _ = try await events.first { $0.contains(.connected) ? true : nil }
        return (connection, events)
    }

    private func certificate(_ name: String) throws -> String {
        try #require(Bundle.module.url(forResource: "Certificates/\(name)", withExtension: "pem")).path
    }

    @Test("hands on what is published, in order, to those who subscribe, and not to the one who published")
    func messages() async throws {
        let server = try await NATSServer()
        let (one, _) = try await connected(settings(server))
        let (two, _) = try await connected(settings(server))
        let taken = Watched<[NATSMessage]>([])
        let own = Watched<[NATSMessage]>([])
        let subscription = try two.subscribe(to: "cw.x.>") { message in taken.update { $0.append(message) } }
        let echo = try one.subscribe(to: "cw.x.>") { message in own.update { $0.append(message) } }
        try two.flush()
        try one.flush()
        for number in 0..<1_000 {
            try one.publish([UInt8(number & 0xff), UInt8(number >> 8)], to: "cw.x.hb")
        }
        try one.publish([], to: "cw.y.hb")
        let all = try await taken.first { $0.count >= 1_000 ? $0 : nil }
        let expected = (0..<1_000).map { number in [UInt8(number & 0xff), UInt8(number >> 8)] }
        #expect(all.map(\.payload) == expected)
        #expect(all.allSatisfy { $0.subject == "cw.x.hb" })
        #expect(own.value.isEmpty)
        #expect(subscription.lostCount == 0)
        #expect(throws: NATSError.tooLong(NATSConnection.payloadLimit + 1)) {
            try one.publish([UInt8](repeating: 0, count: NATSConnection.payloadLimit + 1), to: "cw.x.hb")
        }
        withExtendedLifetime(echo) {}
    }

    @Test(
        "connects to a server that comes later, and again to one that was killed; nothing is kept meanwhile")
    func reconnecting() async throws {
        let server = try await NATSServer()
        server.kill()
        let events = Watched<[NATSEvent]>([])
        let connection = try NATSConnection(settings(server)) { event in events.update { $0.append(event) } }
        #expect(!connection.isConnected)
        #expect(throws: NATSError.notConnected) { try connection.publish([1], to: "cw.x.hb") }
        try await server.start()
        _ = try await events.first { $0.contains(.connected) ? true : nil }
        let taken = Watched<[NATSMessage]>([])
        let (listener, _) = try await connected(settings(server))
        let subscription = try listener.subscribe(to: "cw.x.hb") { message in
            taken.update { $0.append(message) }
        }
        try listener.flush()
        server.kill()
        _ = try await events.first { $0.contains(.disconnected) ? true : nil }
        for number in 0..<100 as Range<UInt8> {
            #expect(throws: NATSError.notConnected) { try connection.publish([number], to: "cw.x.hb") }
        }
        try await server.start()
        _ = try await events.first { $0.count { $0 == .connected } > 1 ? true : nil }
        // The listener is there again when its own question is answered.
        try await before(.seconds(20)) {
            while (try? listener.flush(milliseconds: 500)) == nil {
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        try connection.publish([200], to: "cw.x.hb")
        let first = try await taken.first { $0.first }
        #expect(first.payload == [200])
        withExtendedLifetime(subscription) {}
    }

    @Test("notices within seconds that a server stands still")
    func frozen() async throws {
        let server = try await NATSServer()
        let (connection, events) = try await connected(settings(server))
        let clock = ContinuousClock()
        let start = clock.now
        server.signal(SIGSTOP)
        defer { server.signal(SIGCONT) }
        _ = try await events.first { $0.contains(.disconnected) ? true : nil }
        #expect(clock.now - start < .seconds(5))
        withExtendedLifetime(connection) {}
    }

    @Test("shows who it is by name, token or key pair, and is refused with wrong ones")
    func credentials() async throws {
        let named = try await NATSServer(["--user", "portal", "--pass", "right"])
        _ = try await connected(settings(named) { $0.credentials = .user("portal", password: "right") })
        let token = try await NATSServer(["--auth", "secret"])
        _ = try await connected(settings(token) { $0.credentials = .token("secret") })
        #expect(throws: NATSError.self) {
            _ = try NATSConnection(settings(token) { $0.credentials = .token("wrong") }) { _ in }.flush()
        }
        let key = "UCEOI5UVIREUBPB4NIVMN72S5IEPVPV43B6FTVMK2S4TBVQHU5QNC5NH"
        let seed = FileManager.default.temporaryDirectory.appending(path: "seed-\(UUID().uuidString)")
        try "SUACQKJKFMWC2LRPGAYTEMZUGU3DOOBZHI5TYPJ6H5AECQSDIRCUMR35YA".write(
            to: seed, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: seed) }
        let keyed = try await NATSServer(configuration: "authorization { users = [ { nkey: \(key) } ] }")
        _ = try await connected(settings(keyed) { $0.credentials = .nkey(key, seedFile: seed.path) })
    }

    @Test("believes a server that its authority has signed, and no other")
    func tls() async throws {
        let server = try await NATSServer([
            "--tls", "--tlscert", try certificate("server"), "--tlskey", try certificate("server-key"),
        ])
        let authority = try certificate("ca")
        let (connection, _) = try await connected(settings(server) { $0.authorityFile = authority })
        try connection.flush()
        let other = try certificate("other-ca")
        let stranger = try NATSConnection(settings(server) { $0.authorityFile = other }) { _ in }
        #expect(throws: NATSError.self) { try stranger.flush(milliseconds: 1_000) }
        #expect(!stranger.isConnected)
    }
}
