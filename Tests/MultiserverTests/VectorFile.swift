import Foundation
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
