import BoxStream
import Foundation
import TestSupport
import Testing
import TypedSodium

@Suite("Box-stream vectors")
struct VectorTests {
    struct Published: Decodable {
        var source: String
        var key, nonce, goodbye: Hex
        var plain, cipher: [Hex]
    }

    /// Recorded from the JavaScript implementation; the long ones give lengths and hashes alone.
    struct Recorded: Decodable, CustomTestStringConvertible {
        var name: String
        var key, nonce, cipherHash: Hex
        var plain, cipherChunks: [Hex]?
        var plainLengths: [Int]?
        var chunkLengths: [Int]
        var cipherLength: Int
        var testDescription: String { name }

        enum CodingKeys: String, CodingKey {
            case name, key, nonce, plain
            case cipherHash = "cipher_sha256"
            case cipherChunks = "cipher_chunks"
            case plainLengths = "plain_lengths"
            case chunkLengths = "chunk_lengths"
            case cipherLength = "cipher_length"
        }

        /// What was written, each write on its own.
        var writes: [[UInt8]] {
            plain?.map(\.bytes) ?? plainLengths?.map(hashChain) ?? []
        }
    }

    struct Recording: Decodable { var vectors: [Recorded] }

    static let published = load([Published].self, "boxstream-published")
    static let recorded = load(Recording.self, "boxstream-js-made").vectors

    @Test("All vectors are there")
    func counts() {
        #expect(Self.published.count == 1)
        #expect(Self.recorded.count == 11)
    }

    @Test("Seals and opens the published frames")
    func publishedFrames() throws {
        for vector in Self.published {
            let reference = Reference(key: vector.key.bytes, nonce: vector.nonce.bytes)
            var sealer = try reference.sealer()
            #expect(vector.plain.map { sealer.frame($0.bytes) } == vector.cipher.map(\.bytes))
            #expect(sealer.goodbye() == vector.goodbye.bytes)

            var reader = try reference.reader()
            for frame in vector.cipher { try reader.receive(frame.bytes) }
            try reader.receive(vector.goodbye.bytes)
            try reader.finish()
            #expect(reader.bodies == vector.plain.map(\.bytes))
        }
    }

    @Test("Seals what the JavaScript implementation seals, and opens it", arguments: recorded)
    func recordedStreams(_ vector: Recorded) throws {
        let reference = Reference(key: vector.key.bytes, nonce: vector.nonce.bytes)
        let bodies = vector.writes.flatMap(cut)
        var sealer = try reference.sealer()
        var chunks: [[UInt8]] = []
        for body in bodies {
            let frame = sealer.frame(body)
            chunks += [Array(frame.prefix(34)), Array(frame.dropFirst(34))]
        }
        chunks.append(sealer.goodbye())

        let cipher = Array(chunks.joined())
        #expect(chunks.map(\.count) == vector.chunkLengths)
        #expect(cipher.count == vector.cipherLength)
        #expect(SHA256.hash(cipher.span).array == vector.cipherHash.bytes)
        if let expected = vector.cipherChunks { #expect(chunks == expected.map(\.bytes)) }

        var reader = try reference.reader()
        try reader.receive(cipher)
        try reader.finish()
        #expect(reader.bodies == bodies)
    }
}

/// Bodies of at most 4096 bytes; none for an empty write.
private func cut(_ message: [UInt8]) -> [[UInt8]] {
    stride(from: 0, to: message.count, by: BoxFrame.maximumBodyByteCount).map {
        Array(message[$0..<min($0 + BoxFrame.maximumBodyByteCount, message.count)])
    }
}

/// The recording's long plaintexts: SHA-256 of "p", then of each block the next.
private func hashChain(_ byteCount: Int) -> [UInt8] {
    var (chain, block): ([UInt8], [UInt8]) = ([], Array("p".utf8))
    while chain.count < byteCount {
        block = SHA256.hash(block.span).array
        chain += block
    }
    return Array(chain.prefix(byteCount))
}

private func load<Content: Decodable>(_ type: Content.Type, _ name: String) -> Content {
    do {
        let file = Bundle.module.url(forResource: name, withExtension: "json", subdirectory: "Vectors")
        return try JSONDecoder().decode(type, from: Data(contentsOf: #require(file)))
    } catch {
        preconditionFailure("a vector file cannot be read: \(error)")
    }
}
