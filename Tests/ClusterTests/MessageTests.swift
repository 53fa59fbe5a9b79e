import Cluster
import TestSupport
import Testing
import TypedSodium

@Suite("Cluster: messages")
struct MessageTests {
    static let messages = SealingTests.Vectors.shared?.messages ?? []

    private func key(_ byte: UInt8) throws -> PublicKey {
        PublicKey(try FixedBytes(Array(repeating: byte, count: 32)))
    }

    private func envelope(_ message: ClusterMessage) -> ClusterEnvelope {
        ClusterEnvelope(sender: MachineID(high: 1, low: 2), number: 3, time: HybridTime(4), message: message)
    }

    @Test("reads nothing that is cut off, or has more behind it", arguments: messages)
    func truncated(_ message: SealingTests.Vectors.Message) throws {
        for count in message.envelope.bytes.indices {
            #expect(throws: ClusterError.malformed) {
                try ClusterEnvelope(decoding: Array(message.envelope.bytes.prefix(count)))
            }
        }
        #expect(throws: ClusterError.malformed) {
            try ClusterEnvelope(decoding: message.envelope.bytes + [0])
        }
    }

    @Test("never traps on what was changed, and writes what it reads as it came", arguments: messages)
    func changed(_ message: SealingTests.Vectors.Message) throws {
        var random = SeededRandom(seed: 11)
        for _ in 0..<2_000 {
            var bytes = message.envelope.bytes
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(
                    in: 0...255, using: &random)
            }
            guard let envelope = try? ClusterEnvelope(decoding: bytes) else { continue }
            // What a later version may say in a heartbeat's condition is not repeated.
            if case .heartbeat = envelope.message { continue }
            #expect(envelope.encoded() == bytes)
        }
    }

    @Test("gives questions and answers a length that shows the number of places, and nothing else")
    func lengths() throws {
        for (count, places) in [(1, 1), (2, 4), (4, 4), (5, 16), (16, 16), (17, 64), (64, 64)] {
            let nobody = Question(id: 1, targets: Array(repeating: .nobody, count: count))
            let somebody = Question(
                id: 2, targets: Array(repeating: .token(FixedBytes(), by: try key(1)), count: count))
            #expect(envelope(.question(nobody)).byteCount == ClusterEnvelope.headByteCount + 10 + 65 * places)
            #expect(envelope(.question(nobody)).byteCount == envelope(.question(somebody)).byteCount)
            let nothing = Answer(to: nobody, Array(repeating: [], count: count))
            let four = try (1...4).map { FoundAnnouncer(try key($0), at: HybridTime(UInt64($0))) }
            let everything = Answer(to: nobody, Array(repeating: four, count: count))
            #expect(envelope(.answer(nothing)).byteCount == envelope(.answer(everything)).byteCount)
            #expect(envelope(.answer(nothing)).encoded().count == envelope(.answer(nothing)).byteCount)
        }
    }

    @Test("gives every target that is found one place in an answer, before any has two")
    func fairness() throws {
        let question = Question(id: 1, targets: Array(repeating: .nobody, count: 16))
        let many = try (1...8).map { FoundAnnouncer(try key($0), at: HybridTime(UInt64($0))) }
        let answer = Answer(to: question, [many] + Array(repeating: [many[0]], count: 15))
        #expect(answer.announcers(of: 0) == Array(many.prefix(4)))
        for target in 1..<16 { #expect(answer.announcers(of: target) == [many[0]]) }
        let crowded = Answer(to: question, Array(repeating: many, count: 16))
        #expect(
            (0..<16).map { crowded.announcers(of: $0).count } == [2, 2, 2] + Array(repeating: 1, count: 13))
    }

    @Test("reads claims and lists of their greatest length, and none that are longer")
    func greatest() throws {
        let claim = Claim(try key(1), HybridTime(1), [.explicit])
        let batch = ClaimBatch(number: 1, claims: Array(repeating: claim, count: ClaimBatch.limit))
        #expect(try ClusterEnvelope(decoding: envelope(.claims(batch)).encoded()).message == .claims(batch))
        let long = ClaimBatch(number: 1, claims: Array(repeating: claim, count: ClaimBatch.limit + 1))
        #expect(throws: ClusterError.malformed) {
            try ClusterEnvelope(decoding: envelope(.claims(long)).encoded())
        }

        let parts = ListPart.parts(
            of: Array(repeating: claim, count: 2 * ListPart.limit + 1), answering: 5, at: 6, isOverfull: false
        )
        #expect(parts.map(\.claims.count) == [ListPart.limit, ListPart.limit, 1])
        for part in parts {
            let encoded = envelope(.listPart(part)).encoded()
            #expect(encoded.count <= ClusterEnvelope.byteCountLimit)
            #expect(try ClusterEnvelope(decoding: encoded).message == .listPart(part))
        }
        #expect(envelope(.listPart(parts[0])).byteCount > ClusterEnvelope.byteCountLimit - 41)
        #expect(ListPart.parts(of: [], answering: 5, at: 6, isOverfull: false).count == 1)
    }
}
