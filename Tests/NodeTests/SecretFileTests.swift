import Foundation
import Multiserver
import Node
import Testing
import TypedSodium

@Suite("SecretFile")
struct SecretFileTests {
    @Test("is made once, for its owner alone, with no draft left behind")
    func creation() throws {
        let folder = try TemporaryFolder()
        let file = SecretFile(in: try folder.home)
        let (made, isFresh) = try file.loadOrCreate()
        #expect(isFresh)
        #expect(try folder.permissions(of: "secret") == 0o600)
        #expect(try folder.names == ["secret"])
        let text = try folder.read("secret")

        let (found, isFreshAgain) = try file.loadOrCreate()
        #expect(!isFreshAgain)
        #expect(found.publicKey == made.publicKey)
        #expect(try file.load().publicKey == made.publicKey)
        #expect(try folder.read("secret") == text)
    }

    @Test("reads as JSON without its comments, as ssb-keys reads it")
    func formatOfSSB() throws {
        let folder = try TemporaryFolder()
        let identity = try SecretFile(in: folder.home).loadOrCreate().identity
        let lines = try folder.read("secret").split(separator: "\n").filter { !$0.hasPrefix("#") }
        let json = Data(lines.joined(separator: "\n").utf8)
        let fields = try JSONDecoder().decode([String: String].self, from: json)
        #expect(fields["curve"] == "ed25519")
        #expect(fields["id"] == identity.publicKey.id)
        #expect(fields["public"] == identity.publicKey.base64 + ".ed25519")
        let digits = try #require(fields["private"]).dropLast(".ed25519".count)
        // In two steps: the compiler (6.3.1) crashes over both inside one expectation.
        let secret = try Base64.bytes(of: digits)
        let kept = try Identity(secretBytes: secret.span)
        #expect(kept.publicKey == identity.publicKey)
    }

    @Test("signs with the identity that it keeps")
    func signing() throws {
        let folder = try TemporaryFolder()
        let file = SecretFile(in: try folder.home)
        let publicKey = try file.loadOrCreate().identity.publicKey
        let message: [UInt8] = [1, 2, 3]
        #expect(publicKey.verifies(try file.load().sign(message.span), of: message.span))
    }

    @Test("gives eight creators at the same moment one identity", arguments: 0..<10)
    func race(round: Int) async throws {
        let folder = try TemporaryFolder()
        let file = SecretFile(in: try folder.home)
        let outcomes = try await withThrowingTaskGroup(of: (PublicKey, Bool).self) { group in
            for _ in 0..<8 {
                group.addTask {
                    let (identity, isFresh) = try file.loadOrCreate()
                    return (identity.publicKey, isFresh)
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(outcomes.map(\.0)).count == 1)
        #expect(outcomes.count { $0.1 } == 1)
        #expect(try folder.names == ["secret"])
    }

    @Test("is missing before it is made, and nothing is made by looking")
    func missing() throws {
        let folder = try TemporaryFolder()
        let file = SecretFile(in: try folder.home)
        #expect(throws: SecretFileError.missing(path: file.path)) { try file.load() }
        #expect(try folder.names.isEmpty)
    }

    @Test("refuses to be open to others and says what to do", arguments: [0o640, 0o604, 0o620, 0o601, 0o777])
    func exposed(permissions: Int) throws {
        let folder = try TemporaryFolder()
        try folder.write(SecretSamples.text(), to: "secret", permissions: permissions)
        let file = SecretFile(in: try folder.home)
        let error = SecretFileError.exposed(path: file.path, permissions: permissions)
        #expect(throws: error) { try file.load() }
        #expect(throws: error) { try file.loadOrCreate() }
        #expect(error.description.contains("chmod 600 '\(file.path)'"))
        #expect(error.description.contains(String(permissions, radix: 8)))
    }

    @Test("takes the mode that ssb-keys writes")
    func readOnly() throws {
        let folder = try TemporaryFolder()
        try folder.write(SecretSamples.text(), to: "secret", permissions: 0o400)
        #expect(try SecretFile(in: folder.home).load().publicKey == SecretSamples.identity().publicKey)
    }

    @Test("follows no link and opens nothing but a file")
    func otherKinds() throws {
        let manager = FileManager.default
        for kind in ["link", "dangling link", "folder", "pipe"] {
            let folder = try TemporaryFolder()
            let file = SecretFile(in: try folder.home)
            switch kind {
            case "link":
                try folder.write(SecretSamples.text(), to: "elsewhere")
                try manager.createSymbolicLink(
                    atPath: file.path, withDestinationPath: folder.path + "/elsewhere")
            case "dangling link":
                try manager.createSymbolicLink(
                    atPath: file.path, withDestinationPath: folder.path + "/nowhere")
            case "pipe":
                #expect(unsafe mkfifo(file.path, 0o600) == 0)
            default:
                try manager.createDirectory(atPath: file.path, withIntermediateDirectories: false)
            }
            let namesBefore = try folder.names
            #expect(throws: SecretFileError.notAFile(path: file.path), "\(kind)") { try file.load() }
            #expect(throws: SecretFileError.notAFile(path: file.path), "\(kind)") { try file.loadOrCreate() }
            #expect(try folder.names == namesBefore)
        }
    }

    @Test("refuses files that are empty or too long, and replaces neither")
    func sizes() throws {
        let folder = try TemporaryFolder()
        let file = SecretFile(in: try folder.home)
        try folder.write("", to: "secret")
        #expect(throws: SecretFileError.empty(path: file.path)) { try file.loadOrCreate() }
        #expect(try folder.read("secret").isEmpty)

        let limit = SecretFile.byteCountLimit
        let text = SecretSamples.text()
        let longest = text + String(repeating: " ", count: limit - text.utf8.count)
        try folder.write(longest, to: "secret")
        #expect(try file.load().publicKey == SecretSamples.identity().publicKey)
        try folder.write(longest + " ", to: "secret")
        #expect(throws: SecretFileError.tooLong(path: file.path, limit: limit)) { try file.loadOrCreate() }
    }

    @Test("says what the system refused")
    func systemError() throws {
        let folder = try TemporaryFolder()
        let home = try Home(path: folder.path + "/nowhere", environment: [:])
        #expect(throws: SecretFileError.self) { try SecretFile(in: home).loadOrCreate() }
        #expect(try folder.names.isEmpty)
    }
}
