import Multiserver
import TypedSodium

/// Key files written by hand around one identity, each field replaceable.
enum SecretSamples {
    static func identity(_ number: UInt8 = 7) throws -> Identity {
        try Identity(seed: SecretKey(copying: [UInt8](repeating: number, count: 32).span))
    }

    /// The digits of seed and public key.
    static func secret(_ number: UInt8 = 7) -> String {
        let publicKey = (try? identity(number))?.publicKey.bytes.array ?? []
        return Base64.text(of: [UInt8](repeating: number, count: 32) + publicKey)
    }

    static func publicDigits(_ number: UInt8 = 7) -> String {
        (try? identity(number))?.publicKey.base64 ?? ""
    }

    /// The fields in the order of ssb-keys.
    static func fields(_ number: UInt8 = 7) -> [(String, String)] {
        [
            ("curve", "ed25519"), ("public", publicDigits(number) + ".ed25519"),
            ("private", secret(number) + ".ed25519"), ("id", "@\(publicDigits(number)).ed25519"),
        ]
    }

    static func object(_ fields: [(String, String)]) -> String {
        let lines = fields.map { name, value in "  \"\(name)\": \"\(value)\"" }
        return "{\n" + lines.joined(separator: ",\n") + "\n}"
    }

    /// With comments before and behind, as ssb-keys writes them, the last line without an end.
    static func text(_ fields: [(String, String)] = fields()) -> String {
        "# some \"words\" {\n# and more\n#\n\(object(fields))\n#\n# public name:\n#\n#   @\(publicDigits()).ed25519"
    }
}
