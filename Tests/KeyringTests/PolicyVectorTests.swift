import Blinding
import Foundation
import Keyring
import TestSupport
import Testing
import TypedSodium

/// `policy.json`: bodies of records of the log, by another program that was written from docs/protocol.md.
@Suite("A portal's policy by a log: published bodies of records")
struct PolicyVectorTests {
    struct Vector: Decodable, Sendable, CustomTestStringConvertible {
        let name: String
        let time: UInt64
        let changes: [Change]
        let body: Hex
        var testDescription: String { name }
    }

    /// A change in words.
    struct Change: Decodable, Sendable {
        let kind: String
        let announcers, callers: String?
        let key, member: Hex?
        let label: String?
        let uses: Int?
        let expiry: UInt64?

        /// The same as it is written; `nil` for a part of an import, which only a keyring makes.
        func change() throws -> PolicyChange? {
            switch kind {
            case "audiences":
                .audiences(announcers: Self.audience(announcers), callers: Self.audience(callers))
            case "member": .member(try Self.key(key), label: try #require(label))
            case "removal": .removal(try Self.key(key))
            case "denial": .denial(try Self.key(key))
            case "allowance": .allowance(try Self.key(key))
            case "invite":
                .invite(
                    InviteKey(try Self.key(key)), label: try #require(label), uses: try #require(uses),
                    expiry: expiry)
            case "revocation": .revocation(InviteKey(try Self.key(key)))
            case "redemption":
                .redemption(
                    MemberRequest(invite: InviteKey(try Self.key(key)), feed: try Self.key(member)))
            default: nil
            }
        }

        private static func key(_ hex: Hex?) throws -> PublicKey {
            PublicKey(try FixedBytes(try #require(hex).bytes))
        }

        private static func audience(_ name: String?) -> Audience? {
            name.map { $0 == "members" ? .members : .everyone }
        }
    }

    static let vectors: [Vector] = {
        guard let url = Bundle.module.url(forResource: "Vectors/policy", withExtension: "json"),
            let bytes = try? Foundation.Data(contentsOf: url)
        else { return [] }
        return (try? JSONDecoder().decode([Vector].self, from: bytes)) ?? []
    }()

    @Test("there are some of every kind")
    func kinds() {
        #expect(Set(Self.vectors.flatMap(\.changes).map(\.kind)).count == 9)
    }

    @Test("are written and read as they are published", arguments: vectors)
    func both(_ vector: Vector) throws {
        let read = try PolicyChanges(decoding: vector.body.bytes)
        #expect(read.encoded() == vector.body.bytes && read.time == vector.time)
        let changes = try vector.changes.compactMap { try $0.change() }
        guard changes.count == vector.changes.count else {
            guard case .imported = read.list.first else { throw NotImported() }
            return
        }
        #expect(read.list == changes)
        #expect(PolicyChanges(changes, at: vector.time).encoded() == vector.body.bytes)
    }

    private struct NotImported: Error {}
}
