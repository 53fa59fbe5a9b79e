import Node
import TestSupport
import Testing
import TypedSodium

@Suite("The text of a key file")
struct SecretTextTests {
    /// The public key in a file with this text.
    private func load(_ text: String) throws -> PublicKey {
        let folder = try TemporaryFolder()
        try folder.write(text, to: "secret")
        return try SecretFile(in: folder.home).load().publicKey
    }

    /// The fault that is found in a file with this text.
    private func fault(_ text: String) throws -> SecretFileError.Fault? {
        do {
            _ = try load(text)
            return nil
        } catch SecretFileError.malformed(_, let fault) {
            return fault
        }
    }

    private func fields(replacing name: String, with value: String) -> [(String, String)] {
        SecretSamples.fields().map { $0.0 == name ? (name, value) : $0 }
    }

    @Test("is accepted in every shape that ssb-keys writes or reads")
    func accepted() throws {
        let expected = try SecretSamples.identity().publicKey
        let fields = SecretSamples.fields()
        let object = SecretSamples.object(fields)
        let escaped = fields.map { ($0.0, $0.1.replacing("/", with: "\\/").replacing("=", with: "\\u003d")) }
        let texts = [
            SecretSamples.text(), object, object + "\n", "\n\n" + object,
            object.replacing("\n", with: "\r\n"),
            object.replacing("\n", with: "").replacing(" ", with: ""),
            object.replacing("{", with: "{ # why not"),
            SecretSamples.text(fields.reversed()), SecretSamples.text(escaped),
            SecretSamples.text(self.fields(replacing: "id", with: String(fields[3].1.dropFirst()))),
            SecretSamples.text(fields.filter { $0.0 != "id" }),
            SecretSamples.text(fields.filter { $0.0 != "curve" }),
            SecretSamples.text(fields + [("note", "mine \\\"old\\\" one")]),
        ]
        for text in texts {
            #expect(try load(text) == expected, "\(text.prefix(60))")
        }
    }

    @Test("is refused when its parts do not belong together")
    func mismatches() throws {
        let other = SecretSamples.fields(8)
        let halves = SecretSamples.secret().dropLast(44) + SecretSamples.secret(8).suffix(44)
        let cases: [(String, String, SecretFileError.Fault)] = [
            ("public", other[1].1, .mismatchedField("public")), ("id", other[3].1, .mismatchedField("id")),
            ("id", "", .mismatchedField("id")), ("private", other[2].1, .mismatchedField("public")),
            ("private", halves + ".ed25519", .mismatchedField("private")),
        ]
        for (name, value, expected) in cases {
            #expect(try fault(SecretSamples.text(fields(replacing: name, with: value))) == expected)
        }
    }

    @Test("is refused when a field is missing, repeated or no key")
    func fields() throws {
        let fields = SecretSamples.fields()
        let secret = SecretSamples.secret()
        for name in ["public", "private"] {
            let rest = fields.filter { $0.0 != name }
            #expect(try fault(SecretSamples.text(rest)) == .missingField(name))
            #expect(try fault(SecretSamples.text(fields + [(name, "")])) == .repeatedField(name))
            for value in [
                "", ".ed25519", "x", secret, "@\(secret).ed25519", "AAAA.ed25519", "\(secret).sha256",
            ] {
                #expect(try fault(SecretSamples.text(rest + [(name, value)])) == .badField(name))
            }
        }
        #expect(
            try fault(SecretSamples.text(self.fields(replacing: "curve", with: "k256"))) == .badField("curve")
        )
    }

    @Test("is refused when it is no JSON object of strings")
    func notJSON() throws {
        let object = SecretSamples.object(SecretSamples.fields())
        let texts = [
            " ", "#", "{", "{}", "[]", "null", "\"", "{\"", "{\"a", "{\"a\"", "{\"a\":", "{\"a\":1}",
            "{\"a\":null}",
            "{\"a\":\"b\",}", "{\"a\":{}}", "{\"a\":\"b\" \"c\":\"d\"}", "{\"a\":\"\\", "{\"a\":\"\\u00",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u00e9\"}", "{\"a\":\"\n\"}", object + "x", object + object, "x" + object,
            "{\"a\":\"\\u+041\"}", String(object.dropLast()), SecretSamples.secret() + ".ed25519",
        ]
        for text in texts {
            guard case .notJSON = try fault(text) else {
                Issue.record("accepted: \(text.prefix(40))")
                continue
            }
        }
    }

    @Test("no cut and no flipped bit of a file gives another identity")
    func damage() throws {
        let bytes = Array(SecretSamples.object(SecretSamples.fields()).utf8)
        let expected = try SecretSamples.identity().publicKey
        let folder = try TemporaryFolder()
        let file = SecretFile(in: try folder.home)
        func check(_ damaged: [UInt8]) throws {
            try folder.write(damaged, to: "secret")
            if let identity = try? file.load() { #expect(identity.publicKey == expected) }
        }
        for count in bytes.indices { try check(Array(bytes.prefix(count))) }
        var random = SeededRandom(seed: 5)
        for _ in 0..<600 {
            var damaged = bytes
            damaged[Int.random(in: bytes.indices, using: &random)] ^=
                1 << UInt8.random(in: 0..<8, using: &random)
            try check(damaged)
        }
    }

    @Test("no refusal repeats a secret")
    func silence() throws {
        let folder = try TemporaryFolder()
        let file = SecretFile(in: try folder.home)
        for name in ["public", "private", "id", "curve"] {
            try folder.write(SecretSamples.text(fields(replacing: name, with: "x")), to: "secret")
            do {
                _ = try file.load()
                Issue.record("accepted \(name)")
            } catch {
                #expect(error.description.contains(file.path))
                #expect(!error.description.contains(SecretSamples.secret().prefix(8)))
            }
        }
    }
}
