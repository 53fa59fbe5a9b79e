import Foundation
import Sodium
import TestSupport
import Testing

/// `companionway.json`: an independent program's answers for every formula.
struct Vectors: Decodable {
    struct Keys: Decodable {
        let portal, target, friend, invite: Hex
    }

    struct Hmac1: Decodable {
        let value, swapped_must_not_match: Hex
        let address: String
    }

    struct Pair: Decodable {
        let friend, invite, reversed_roles_must_not_match: Hex
    }

    struct Token: Decodable {
        let epoch: UInt64
        let friend, invite: Hex
        let friend_text: String
    }

    struct Circle: Decodable {
        let epoch: UInt64
        let chain_key, address_key, value, sealed_value: Hex
        let address_open, address_sealed: String
    }

    struct Pseudonym: Decodable {
        let seed, public_key: Hex
    }

    struct Portal: Decodable {
        let id, host: String
        let port: UInt16
        let open: Bool
        let pseudonym: String?
    }

    struct Invite: Decodable {
        let expiry: UInt64
        let portals: [Portal]
        let code: String
        let refused: [String: String]
    }

    struct Redeem: Decodable {
        let message, signature: Hex
    }

    let seeds, public_keys: Keys
    let hmac1: Hmac1
    let pair: Pair
    let tokens: [Token]
    let circle: [Circle]
    let pseudonym: Pseudonym
    let invite: Invite
    let redeem: Redeem

    static func load() throws -> Vectors { try decoded("companionway", as: Vectors.self) }

    /// Every encoding of a point of small order, the ignored top bit either way.
    static func lowOrderPoints() throws -> [PublicKey] {
        struct LowOrder: Decodable {
            let low_order_ed25519_points: [Hex]
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
