import Blinding
import TestSupport
import Testing
import TypedSodium

@Suite("PairToken")
struct PairTokenTests {
    private let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_. ".utf8)

    @Test("what it prints it reads")
    func roundTrip() throws {
        var random = SeededRandom(seed: 4)
        for _ in 0..<200 {
            let token = PairToken(try random.key())
            #expect(try PairToken(target: token.target) == token)
            #expect(try PairToken(base64: token.base64) == token)
            #expect(token.target == token.base64 + ".token1")
        }
    }

    @Test("reads no text in two spellings: whatever is changed means another token or none")
    func mutations() throws {
        var random = SeededRandom(seed: 5)
        let token = PairToken(try random.key())
        let text = Array(token.target.utf8)
        for index in text.indices {
            for digit in digits where digit != text[index] {
                var changed = text
                changed[index] = digit
                let string = String(decoding: changed, as: UTF8.self)
                if let other = try? PairToken(target: string) {
                    #expect(other != token && other.target == string)
                }
            }
        }
    }

    @Test("refuses what is cut off, lengthened, or something else")
    func refused() throws {
        var random = SeededRandom(seed: 6)
        let token = PairToken(try random.key())
        let id = "@\(token.base64).ed25519"
        var texts = [
            "", ".token1", id, token.base64, " " + token.target, token.target + "\n", token.target + "2",
        ]
        texts += (0..<token.target.count).map { String(token.target.prefix($0)) }
        texts += (1..<token.target.count).map { String(token.target.dropFirst($0)) }
        texts.append(String(token.base64.dropLast()) + ".token1")
        texts.append(token.base64 + "\u{301}.token1")
        for text in texts { #expect(throws: BlindingError.notAToken) { try PairToken(target: text) } }
        #expect(throws: BlindingError.notAToken) { try PairToken(base64: token.target) }
        #expect(throws: BlindingError.notAToken) { try PairToken(base64: "") }
    }

    @Test("a target that claims to be a token is told from an id")
    func claim() throws {
        var random = SeededRandom(seed: 7)
        let token = PairToken(try random.key())
        #expect(PairToken.isToken(target: token.target))
        #expect(PairToken.isToken(target: ".token1"))
        #expect(!PairToken.isToken(target: "@\(token.base64).ed25519"))
        #expect(!PairToken.isToken(target: ""))
    }

    @Test("differs in every bit")
    func equality() throws {
        var random = SeededRandom(seed: 8)
        let bytes = try random.key()
        let token = PairToken(bytes)
        #expect(token == PairToken(bytes) && token.hashValue == PairToken(bytes).hashValue)
        for bit in 0..<256 {
            var other = bytes
            other.storage[bit / 8] ^= 1 << (bit % 8)
            #expect(PairToken(other) != token)
        }
    }
}
