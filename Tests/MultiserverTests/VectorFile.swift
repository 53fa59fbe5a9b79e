import Foundation
import TestSupport
import Testing

/// A file of known answers beside these tests.
struct VectorFile {
    let name: String

    func decoded<Content: Decodable>(as type: Content.Type) throws -> Content {
        let url = try #require(Bundle.module.url(forResource: "Vectors/\(name)", withExtension: "json"))
        return try JSONDecoder().decode(type, from: Data(contentsOf: url))
    }
}

/// `multiserver-address.json`: the published tests of multiserver-address.
struct GrammarVectors: Decodable {
    let valid: [String]
    let invalid: [String]
    let random: [String]

    static func load() throws -> GrammarVectors {
        try VectorFile(name: "multiserver-address").decoded(as: GrammarVectors.self)
    }

    private enum CodingKeys: String, CodingKey {
        case valid
        case invalid
        case random = "random_valid"
    }
}

/// `invites.json`: the published tests of ssb-ref.
struct InviteVectors: Decodable {
    let strings: [String: String]

    static func load() throws -> [String: String] {
        try VectorFile(name: "invites").decoded(as: InviteVectors.self).strings
    }
}

/// `blinded-addresses.json`: an independent program's addresses of every blinded form.
struct BlindedVectors: Decodable {
    struct Hmac1: Decodable {
        let value: Hex
        let address: String
    }

    struct Circle: Decodable {
        let value, sealedValue: Hex
        let shown: String
        let sealed: String

        private enum CodingKeys: String, CodingKey {
            case value
            case sealedValue = "sealed_value"
            case shown = "address_open"
            case sealed = "address_sealed"
        }
    }

    let portal, target: Hex
    let hmac1: Hmac1
    let circle: [Circle]

    static func load() throws -> BlindedVectors {
        try VectorFile(name: "blinded-addresses").decoded(as: BlindedVectors.self)
    }
}
