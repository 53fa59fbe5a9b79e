import Blinding
import MuxRPC
import PortalCore
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("A hidden announcement")
struct HiddenAnnouncementTests {
    private var random = SeededRandom(seed: 5)

    private mutating func tokens(_ count: Int) throws -> [PairToken] {
        try (0..<count).map { _ in PairToken(try FixedBytes(random.bytes(32).span)) }
    }

    private func refusal(_ values: [JSONValue], limit: Int = 10) -> AnnounceRefusal? {
        do throws(AnnounceRefusal) {
            _ = try HiddenAnnouncement(values, limit: limit)
            return nil
        } catch {
            return error
        }
    }

    @Test("has its tokens in their order, or none")
    mutating func reads() throws {
        let tokens = try tokens(5)
        let read = try HiddenAnnouncement(tokens.map { .string($0.base64) }, limit: 5)
        #expect(read.tokens == tokens)
        #expect(try HiddenAnnouncement([], limit: 5).tokens.isEmpty)
    }

    @Test("is refused whole for one token that is malformed, wherever it stands")
    mutating func malformed() throws {
        let good = try tokens(4).map { JSONValue.string($0.base64) }
        let text = try #require(good[0].string)
        let wrong: [JSONValue] = [
            "", "x", nil, 7, [], .string(text + ".token1"), .string(String(text.dropLast())),
            .string(" " + text.dropLast()), .string(text.replacing("=", with: "")),
            .string(String(repeating: "A", count: 42) + "B="), .string("é" + text.dropFirst(2)),
        ]
        for value in wrong {
            for place in 0...4 {
                var values = good
                values.insert(value, at: place)
                #expect(refusal(values) == .malformedToken, "\(value)")
            }
        }
    }

    @Test("is refused whole for a repeated token")
    mutating func repeated() throws {
        let values = try tokens(4).map { JSONValue.string($0.base64) }
        #expect(refusal(values + [values[1]]) == .repeatedToken)
    }

    @Test("is counted before anything in it is read")
    func counted() {
        #expect(refusal(Array(repeating: "junk", count: 11)) == .tooManyTokens)
        #expect(refusal(Array(repeating: "junk", count: 10)) == .malformedToken)
    }
}
