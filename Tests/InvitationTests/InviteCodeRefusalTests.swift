import Blinding
import Invitation
import TestSupport
import Testing
import TypedSodium

@Suite("Refused invite codes")
struct InviteCodeRefusalTests {
    @Test("every broken code that was made independently has an error of its own")
    func vectors() throws {
        let refused = try Vectors.load().invite.refused
        let expected: [String: InviteCodeError] = [
            "one_character_changed": .wrongChecksum,
            "wrong_prefix": .wrongPrefix,
            "padded": .padded,
            "version_2": .unknownVersion(2),
            "no_portal": .noPortal,
            "nine_portals": .tooManyPortals(9, limit: 8),
            "unknown_flag": .unknownFlags(2),
            "trailing_byte": .trailingBytes(1),
            "truncated": .truncated,
            "empty_host": .emptyHost,
            "expiry_too_large": .expiryTooLarge(1 << 53),
            "hidden_without_pseudonym": .olderLayout,
            "same_portal_other_flags": .openAndHidden,
            "same_portal_other_pseudonym": .severalPseudonyms,
        ]
        #expect(Set(refused.keys) == Set(expected.keys))
        for (name, code) in refused {
            let error = try #require(expected[name])
            #expect(throws: error, "\(name)") { _ = try InviteCode(code) }
        }
        #expect(Set(expected.values.map(\.description)).count == expected.count)
    }

    @Test("a code with any single character changed is refused")
    func mutations() throws {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        let code = Array(try Vectors.load().invite.code.utf8)
        let others = Array("+/=. \n\0é".utf8)
        for index in code.indices {
            for character in alphabet + others where character != code[index] {
                var changed = code
                changed[index] = character
                #expect(Self.isRefused(changed), "\(index): \(character)")
            }
        }
    }

    @Test("a code cut off anywhere is refused, and said to end too early where whole bytes are left")
    func cutOff() throws {
        let code = Array(try Vectors.load().invite.code.utf8)
        let prefix = InviteCode.prefix.utf8.count
        for count in 0..<code.count {
            let error = Self.error(of: Array(code.prefix(count)))
            if count < prefix {
                #expect(error == .wrongPrefix)
            } else {
                #expect(error == .truncated || error == .notCanonical, "\(count)")
            }
        }
    }

    @Test("a code with anything around it is refused")
    func surroundings() throws {
        let code = try Vectors.load().invite.code
        #expect(Self.error(of: Array((" " + code).utf8)) == .wrongPrefix)
        #expect(Self.error(of: Array((code + " ").utf8)) == .foreignCharacter(offset: code.utf8.count))
        #expect(Self.error(of: Array((code + "\n").utf8)) == .foreignCharacter(offset: code.utf8.count))
        #expect(Self.error(of: Array((code + "é").utf8)) == .foreignCharacter(offset: code.utf8.count))
        for text in [code + "A", code + "AA", code + "AAA", code + "AAAA", code + code] {
            #expect(Self.isRefused(Array(text.utf8)))
        }
    }

    /// The code that was printed for the vectors' invite before hidden portals named the key that is shown there.
    private static let olderCode = """
        cway-invite-1.ARLfIZOZIqE3D03nTVG71hNwvPeHnEq0qeEuBk4dOFp5wehzGJzb-VO8h28xYa0mC9e0WyTfFA4ZlznZS3F43WEAAAAAa0\
        nSAAIAIwjpzrBdMnMLNgsKXCzIB_BbUG_k53ajuuYLD8Zu9UQScG9ydGFsLmV4YW1wbGUub3JnH0gBJHCh8Hp4sCoF1YNrlA4IznyZM4cGS4n\
        _xLPfmEsU8kkLMjAwMTpkYjg6OjFGWGGi2NM
        """

    @Test("a code of an older program is known as one, and with a typing error as that")
    func older() throws {
        let code = Array(Self.olderCode.utf8)
        #expect(Self.error(of: code) == .olderLayout)
        #expect("\(InviteCodeError.olderLayout)".contains("made by an older cway; ask for a new one"))
        let prefix = InviteCode.prefix.utf8.count
        for index in prefix..<code.count {
            var changed = code
            changed[index] = code[index] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
            let error = Self.error(of: changed)
            #expect([.wrongChecksum, .truncated, .notCanonical].contains(error), "\(index)")
        }
        for count in prefix..<code.count {
            let error = Self.error(of: Array(code.prefix(count)))
            #expect([.truncated, .wrongChecksum, .notCanonical].contains(error), "\(count)")
        }
    }

    @Test("an older code for open portals alone was printed as one is today, and is good")
    func olderOpen() throws {
        var random = SeededRandom(seed: 17)
        for count in 1...InviteCode.portalCountLimit {
            let portals = try (0..<count).map { _ in
                try PortalAddress(key: random.portal(), host: "portal", port: 8008, isOpen: true)
            }
            let text = try InviteCode(
                endpoint: EndpointKey(random.identity().publicKey), seed: random.secret(), expiry: nil,
                portals: portals
            ).text
            #expect(try InviteCode(text).portals == portals)
        }
    }

    @Test("a text that is too long is refused before it is looked at")
    func tooLong() {
        let count = InviteCode.textByteCountLimit + 1
        let error = InviteCodeError.tooLong(count, limit: InviteCode.textByteCountLimit)
        let text = String(repeating: "?", count: count)
        #expect(throws: error) { _ = try InviteCode(text) }
        #expect(Self.error(of: Array(text.utf8)) == error)
    }

    @Test("random bytes behind a right checksum are refused or print the same code")
    func randomBodies() throws {
        var random = SeededRandom(seed: 14)
        for _ in 0..<2_000 {
            var body = random.bytes(.random(in: 0...300, using: &random))
            if body.count > 74 {
                body[0] = 1
                body[73] = .random(in: 0...3, using: &random)
                body[65] = 0
                body[66] = .random(in: 0...0x20, using: &random)
                body[74] &= 1
            }
            let code = Self.code(of: body)
            do throws(InviteCodeError) {
                let invite = try InviteCode(code)
                let printed = String(decoding: try invite.encoded(), as: UTF8.self)
                #expect(printed == code)
            } catch {
                #expect(error != .wrongChecksum && error != .notCanonical)
            }
        }
    }

    @Test("hosts and ports in a code are looked at")
    func portals() throws {
        #expect(Self.error(ofHost: Array("a b".utf8), port: 1) == .badHost)
        #expect(Self.error(ofHost: [0xFF, 0xFE], port: 1) == .badHost)
        #expect(Self.error(ofHost: [UInt8](repeating: 0xFF, count: 253), port: 1) == .badHost)
        #expect(
            Self.error(ofHost: [UInt8](repeating: 0x61, count: 254), port: 1) == .hostTooLong(254, limit: 253)
        )
        #expect(
            Self.error(ofHost: [UInt8](repeating: 0x61, count: 255), port: 1) == .hostTooLong(255, limit: 253)
        )
        #expect(Self.error(ofHost: Array("host".utf8), port: 0) == .badPort)
        #expect(Self.error(ofHost: Array("host".utf8), port: 1) == nil)
    }

    @Test("every error is a sentence that says something else, and none repeats the code")
    func descriptions() {
        let errors: [InviteCodeError] = [
            .tooLong(9_999, limit: 10), .wrongPrefix, .padded, .foreignCharacter(offset: 3), .notCanonical,
            .truncated, .wrongChecksum, .unknownVersion(2), .expiryTooLarge(1 << 53), .noPortal,
            .tooManyPortals(9, limit: 8), .unknownFlags(2), .emptyHost, .hostTooLong(254, limit: 253),
            .badHost, .badPort, .trailingBytes(1), .outOfGuardedMemory, .olderLayout, .noPseudonym,
            .openAndHidden, .severalPseudonyms,
        ]
        #expect(Set(errors.map(\.description)).count == errors.count)
    }

    private static func error(ofHost host: [UInt8], port: UInt8) -> InviteCodeError? {
        let head: [UInt8] = [1] + [UInt8](repeating: 7, count: 64) + [UInt8](repeating: 0, count: 8) + [1]
        let keys = [UInt8](repeating: 8, count: 64)
        let portal = [0] + keys + [UInt8(host.count)] + host + [0, port]
        return error(of: Array(code(of: head + portal).utf8))
    }

    private static func error(of ascii: [UInt8]) -> InviteCodeError? {
        do throws(InviteCodeError) {
            _ = try InviteCode(ascii: ascii.span)
            return nil
        } catch {
            return error
        }
    }

    private static func isRefused(_ ascii: [UInt8]) -> Bool { error(of: ascii) != nil }

    /// A code with a right checksum around any bytes.
    private static func code(of body: [UInt8]) -> String {
        var hash = GenericHash(label: "companionway/1/invite")
        hash.update(body.span)
        let bytes = body + hash.finalize().array.prefix(4)
        let digits = TextEncoding.base64URL.encode(bytes.span)
        return InviteCode.prefix + String(decoding: digits, as: UTF8.self)
    }
}
