import Foundation
import TestSupport
import Testing
import TypedSodium

/// The files below `Vectors/`.
enum Vectors {
    struct LowOrder: Decodable {
        let low_order_ed25519_points: [Hex]
    }

    struct Conversion: Decodable {
        let ed25519_seed, ed25519_public, curve25519_secret, curve25519_public: Hex
    }

    static func lowOrderPoints() throws -> [Hex] {
        try load("ed25519-low-order", as: LowOrder.self).low_order_ed25519_points
    }

    static func conversion() throws -> Conversion {
        try load("ed25519-to-curve25519", as: Conversion.self)
    }

    private static func load<Value: Decodable>(_ name: String, as type: Value.Type) throws -> Value {
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

    /// The bytes with the ignored top bit of the last one turned.
    var topBitTurned: Hex {
        var bytes = bytes
        bytes[bytes.count - 1] ^= 0x80
        return Hex(bytes.hex)
    }
}

extension SecretKey {
    /// Whether this is the key that a vector names.
    borrowing func isEqual(to expected: Hex) throws -> Bool { isEqual(to: try expected.secret()) }
}

// `#expect` cannot look into a call that takes a span, so these take arrays.

extension PublicKey {
    func verifies(_ signature: Signature, of message: [UInt8]) -> Bool {
        verifies(signature, of: message.span)
    }
}

extension SHA256 {
    static func hash(_ bytes: [UInt8]) -> FixedBytes<32> { hash(bytes.span) }
}

extension Authentication {
    static func isValid(_ code: FixedBytes<32>, of message: [UInt8], key: FixedBytes<32>) -> Bool {
        isValid(code, of: message.span, key: key)
    }
}
