import Foundation
import NATS
import PeerSupport
import Testing

@Suite("NATS: who a connection is, with a real server", .serialized)
struct CredentialTests {
    private static let refusal =
        "Authorization Violation: look at the user, the token or the file of credentials that it is given"

    private let folder = FileManager.default.temporaryDirectory.appending(path: "creds-\(UUID().uuidString)")

    private func file(_ name: String, _ text: String) throws -> String {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let file = folder.appending(path: name)
        try text.write(to: file, atomically: true, encoding: .utf8)
        return file.path
    }

    /// What the server says to somebody with these credentials; `nil` where it lets it in and passes on what it says.
    ///
    /// On a busy machine neither may be there within the two seconds that server and library wait: it is asked again then.
    private func refusal(
        of credentials: NATSCredentials, at server: NATSServer, authority: String? = nil
    ) async throws -> String? {
        var words: String?
        for _ in 0..<5 {
            words = try await answer(to: credentials, at: server, authority: authority)
            // A refusal names its remedy behind a colon.
            guard let words, !words.contains(": ") else { break }
        }
        return words
    }

    private func answer(
        to credentials: NATSCredentials, at server: NATSServer, authority: String?
    ) async throws -> String? {
        var settings = NATSSettings(servers: [server.address], name: "test")
        (settings.credentials, settings.authorityFile) = (credentials, authority)
        let events = Watched<[NATSEvent]>([])
        let connection = try NATSConnection(settings) { event in events.update { $0.append(event) } }
        let isIn = try await events.first { events in
            events.contains(.connected) ? true : events.contains(.closed) ? false : nil
        }
        guard isIn, (try? connection.flush()) != nil else {
            return connection.lastError ?? ""
        }
        let taken = Watched<[NATSMessage]>([])
        let listener = try NATSConnection(settings) { _ in }
        let subscription = try listener.subscribe(to: "cw.x.hb") { message in
            taken.update { $0.append(message) }
        }
        try listener.flush()
        try connection.publish([1], to: "cw.x.hb")
        try await taken.first { $0.isEmpty ? nil : () }
        withExtendedLifetime(subscription) {}
        return nil
    }

    @Test("a key pair that the server knows is let in, and no other")
    func nkey() async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let (known, other) = (try NKey(.user), try NKey(.user))
        let server = try await NATSServer(
            configuration: "authorization { users = [ { nkey: \(known.name) } ] }")
        let (file, otherFile) = (try file("known", known.seed), try file("other", other.seed))
        #expect(try await refusal(of: .nkey(known.name, seedFile: file), at: server) == nil)
        #expect(
            try await refusal(of: .nkey(other.name, seedFile: otherFile), at: server)
                == Self.refusal)
        // The key of one, the seed of another.
        #expect(
            try await refusal(of: .nkey(known.name, seedFile: otherFile), at: server)
                == Self.refusal)
        #expect(try await refusal(of: .none, at: server) == Self.refusal)
    }

    @Test("a file that an operator has handed out is let in, and none of another account or for other keys")
    func credentialsFile() async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let (account, other) = (try SignedAccount(), try SignedAccount())
        let server = try await NATSServer(configuration: account.configuration())
        let (own, foreign) = (try account.credentials(), try other.credentials())
        #expect(try await refusal(of: .file(file("own.creds", own)), at: server) == nil)
        #expect(
            try await refusal(of: .file(file("foreign.creds", foreign)), at: server)
                == Self.refusal)
        // The signed part of one, the seed of another.
        let marker = "-----BEGIN USER NKEY SEED-----"
        let mixed =
            try #require(own.components(separatedBy: marker).first) + marker
            + #require(foreign.components(separatedBy: marker).last)
        #expect(
            try await refusal(of: .file(file("mixed.creds", mixed)), at: server)
                == Self.refusal)
    }

    @Test("what was right and is not any more is told in words too")
    func changed() async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let (known, other) = (try NKey(.user), try NKey(.user))
        func configuration(_ key: NKey) -> String { "authorization { users = [ { nkey: \(key.name) } ] }" }
        let rules = try file("nats.conf", configuration(known))
        let server = try await NATSServer(["-c", rules])
        var settings = NATSSettings(servers: [server.address], name: "test")
        settings.credentials = .nkey(known.name, seedFile: try file("known", known.seed))
        let events = Watched<[NATSEvent]>([])
        let connection = try NATSConnection(settings) { event in events.update { $0.append(event) } }
        _ = try await events.first { $0.contains(.connected) ? true : nil }
        #expect(connection.lastError == nil)
        server.kill()
        _ = try file("nats.conf", configuration(other))
        try await server.start()
        _ = try await events.first { $0.contains(.closed) ? true : nil }
        #expect(connection.lastError == Self.refusal)
    }

    @Test("nobody says who it is to a server without TLS that is named as one with it")
    func downgrade() async throws {
        let server = try await NATSServer(configuration: "authorization { user: cway, password: secret }")
        for (scheme, isLetIn) in [("nats", true), ("tls", false)] {
            var settings = NATSSettings(
                servers: [server.address.replacing("nats://", with: "\(scheme)://")], name: "test")
            settings.credentials = .user("cway", password: "secret")
            let connection = try NATSConnection(settings) { _ in }
            if isLetIn {
                try connection.flush()
            } else {
                #expect(throws: NATSError.self) { try connection.flush(milliseconds: 1_000) }
            }
            #expect(connection.isConnected == isLetIn)
        }
    }

    @Test("over TLS too, where the server is believed by the given authority alone")
    func overTLS() async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        func certificate(_ name: String) throws -> String {
            try #require(Bundle.module.url(forResource: "Certificates/\(name)", withExtension: "pem")).path
        }
        let account = try SignedAccount()
        let server = try await NATSServer(
            [
                "--tls", "--tlscert", try certificate("server"), "--tlskey", try certificate("server-key"),
            ], configuration: account.configuration())
        let file = try file("own.creds", account.credentials())
        #expect(
            try await refusal(of: .file(file), at: server, authority: try certificate("ca")) == nil)
        let other = try certificate("other-ca")
        var settings = NATSSettings(servers: [server.address], name: "test")
        (settings.credentials, settings.authorityFile) = (.file(file), other)
        let stranger = try NATSConnection(settings) { _ in }
        #expect(throws: NATSError.self) { try stranger.flush(milliseconds: 1_000) }
        #expect(!stranger.isConnected)
        #expect(stranger.lastError?.hasSuffix(": name the file of the authority that has signed it") == true)
    }
}
