internal import Multiserver
internal import TypedSodium

/// The text of a key file, in the format of ssb-keys: comments, and a JSON object of strings.
///
/// Source: ssb-keys, storage.js. Written by hand instead of with a JSON library because a `String` or `Data`
/// with the secret in it cannot be wiped: here it stays in arrays that are.
enum SecretText {
    private static let curve = "ed25519"
    private static let suffix = ".ed25519"

    /// The file for an identity; the caller wipes it.
    static func contents(of identity: Identity) -> [UInt8] {
        var secret = unsafe identity.withUnsafeSecretBytes { unsafe [UInt8]($0) }
        var digits = Base64.encode(secret.span)
        defer {
            wipe(&secret)
            wipe(&digits)
        }
        let id = identity.publicKey.id
        let start = """
            # This is a secret identity. Whoever has this file is you, to everybody who knows you.
            # Never show it, send it or publish it. Keep a backup where nobody else can read it.
            # Never change it, and never let two nodes use it at the same time.
            {
              "curve": "\(curve)",
              "public": "\(identity.publicKey.base64)\(suffix)",
              "private": "
            """
        let end = """
            \(suffix)",
              "id": "\(id)"
            }
            # What you may show to everybody is only your id:
            #   \(id)

            """
        var text: [UInt8] = []
        // In one allocation: growing would leave copies of the secret behind.
        text.reserveCapacity(start.utf8.count + digits.count + end.utf8.count)
        text.append(contentsOf: start.utf8)
        text.append(contentsOf: digits)
        text.append(contentsOf: end.utf8)
        return text
    }

    /// The identity in a file's bytes, which are overwritten on the way.
    ///
    /// The id may lack its `@` or be missing, as ssb-keys allows.
    static func identity(in text: inout [UInt8]) throws(SecretFileError.Fault) -> Identity {
        let fields = try SecretFields(&text)
        if let curve = fields["curve"], !text[curve].elementsEqual(Self.curve.utf8) {
            throw .badField("curve")
        }
        let publicKey = try key(in: text, fields, "public")
        var secret = try decoded(text, fields, "private")
        defer { wipe(&secret) }

        let identity: Identity
        do throws(SodiumError) {
            identity = try Identity(secretBytes: secret.span)
        } catch {
            throw error == .mismatchedKeyPair ? .mismatchedField("private") : .badField("private")
        }
        guard identity.publicKey == publicKey else { throw .mismatchedField("public") }
        if let place = fields["id"] {
            let id = String(decoding: text[place], as: UTF8.self)
            let expected = identity.publicKey.id
            guard id == expected || "@" + id == expected else { throw .mismatchedField("id") }
        }
        return identity
    }

    private static func key(
        in text: [UInt8], _ fields: SecretFields, _ name: String
    ) throws(SecretFileError.Fault) -> PublicKey {
        let bytes = try decoded(text, fields, name)
        do throws(SodiumError) {
            return PublicKey(try FixedBytes(bytes))
        } catch {
            throw .badField(name)
        }
    }

    private static func decoded(
        _ text: [UInt8], _ fields: SecretFields, _ name: String
    ) throws(SecretFileError.Fault) -> [UInt8] {
        guard let place = fields[name] else { throw .missingField(name) }
        guard text[place].suffix(suffix.utf8.count).elementsEqual(suffix.utf8) else { throw .badField(name) }
        let digits = place.lowerBound..<(place.upperBound - suffix.utf8.count)
        do throws(Base64Error) {
            return try Base64.decode(text.span.extracting(digits))
        } catch {
            throw .badField(name)
        }
    }
}
