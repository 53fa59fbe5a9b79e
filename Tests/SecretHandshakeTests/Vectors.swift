import Foundation
import SecretHandshake
import TestSupport
import Testing
import TypedSodium

/// The files below `Vectors/`.
enum Vectors {
    static func load<Value: Decodable>(_ name: String, as type: Value.Type = Value.self) throws -> Value {
        let url = try #require(
            Bundle.module.url(forResource: name, withExtension: "json", subdirectory: "Vectors"))
        return try JSONDecoder().decode(Value.self, from: Data(contentsOf: url))
    }
}

extension Hex {
    func fixed<let count: Int>(_ count: Int.Type = Int.self) throws -> FixedBytes<count> {
        try FixedBytes(bytes.span)
    }

    func secret() throws -> SecretKey { try SecretKey(copying: bytes.span) }

    func publicKey() throws -> PublicKey { PublicKey(try fixed()) }

    func network() throws -> NetworkIdentifier { NetworkIdentifier(try fixed()) }

    /// The identity that grows from these bytes as a seed.
    func identity() throws -> Identity { try Identity(seed: secret()) }

    /// The key pair of these bytes as a scalar.
    func ephemeral() throws -> EphemeralKeyPair { EphemeralKeyPair(secret: try secret()) }
}

extension SecretKey {
    /// Whether this is the key that a vector names.
    borrowing func isEqual(to expected: Hex) throws -> Bool { isEqual(to: try expected.secret()) }
}
