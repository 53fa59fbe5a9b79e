internal import Foundation
internal import Testing
package import TypedSodium

/// `companionway.json`: an independent program's answers for every formula.
package struct Vectors: Decodable {
    package struct Keys: Decodable {
        package let portal, target, friend, invite: Hex
    }

    package struct Hmac1: Decodable {
        package let value, swapped_must_not_match: Hex
        package let address: String
    }

    package struct Pair: Decodable {
        package let friend, invite, reversed_roles_must_not_match: Hex
    }

    package struct Token: Decodable {
        package let epoch: UInt64
        package let friend, invite: Hex
        package let friend_text: String
    }

    package struct Circle: Decodable {
        package let epoch: UInt64
        package let chain_key, address_key, value, sealed_value: Hex
        package let address_open, address_sealed: String
    }

    package struct Pseudonym: Decodable {
        package let seed, public_key: Hex
    }

    package struct Portal: Decodable {
        package let id, host: String
        package let port: UInt16
        package let open: Bool
        package let pseudonym: String?
    }

    package struct Invite: Decodable {
        package let expiry: UInt64
        package let portals: [Portal]
        package let code: String
        package let refused: [String: String]
    }

    package struct Redeem: Decodable {
        package let message, signature: Hex
    }

    package let seeds, public_keys: Keys
    package let hmac1: Hmac1
    package let pair: Pair
    package let tokens: [Token]
    package let circle: [Circle]
    package let pseudonym: Pseudonym
    package let invite: Invite
    package let redeem: Redeem

    package static func load() throws -> Vectors { try decoded("companionway", as: Vectors.self) }

    /// Every encoding of a point of small order, the ignored top bit either way.
    package static func lowOrderPoints() throws -> [PublicKey] {
        struct LowOrder: Decodable {
            package let low_order_ed25519_points: [Hex]
        }
        return try decoded("ed25519-low-order", as: LowOrder.self).low_order_ed25519_points.flatMap { point in
            var turned = point.bytes
            turned[turned.count - 1] ^= 0x80
            return [PublicKey(try FixedBytes(point.bytes)), PublicKey(try FixedBytes(turned))]
        }
    }

    private static func decoded<Content: Decodable>(_ name: String, as type: Content.Type) throws -> Content {
        let url = try #require(Bundle.module.url(forResource: "Vectors/\(name)", withExtension: "json"))
        return try JSONDecoder().decode(type, from: Data(contentsOf: url))
    }
}
