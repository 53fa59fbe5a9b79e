import Foundation
import NIOCore
import PeerSupport
import TestSupport
import Testing
import TypedSodium

/// Bytes that look random, are the same for the same seed, and cost nothing to make: one block, numbered.
struct Pattern: Sendable {
    static let chunkByteCount = 1 << 16

    let byteCount: Int
    private let seed: UInt64
    private let block: ByteBuffer

    init(byteCount: Int, seed: UInt64) {
        self.byteCount = byteCount
        self.seed = seed
        var random = SeededRandom(seed: seed)
        var block = ByteBuffer()
        for _ in 0..<min(Self.chunkByteCount, byteCount + 7) / 8 { block.writeInteger(random.next()) }
        self.block = block
    }

    static func mebibytes(_ count: Int, seed: UInt64) -> Pattern {
        Pattern(byteCount: count << 20, seed: seed)
    }

    var chunkCount: Int { (byteCount + Self.chunkByteCount - 1) / Self.chunkByteCount }

    /// Each differs from the others: an exchange of two would be noticed.
    func chunk(_ index: Int) -> ByteBuffer {
        var chunk = block
        chunk.setInteger(seed &+ UInt64(index), at: 0)
        let length = min(Self.chunkByteCount, byteCount - index * Self.chunkByteCount)
        return chunk.readSlice(length: length) ?? ByteBuffer()
    }

    var hash: FixedBytes<32> {
        var hash = SHA256()
        for index in 0..<chunkCount { hash.update(chunk(index).readableBytesSpan) }
        return hash.finalize()
    }

    /// Writes them to a file.
    func write(to path: String) throws {
        try Data().write(to: URL(fileURLWithPath: path))
        let file = try #require(FileHandle(forWritingAtPath: path))
        for index in 0..<chunkCount { try file.write(contentsOf: Data(chunk(index).readableBytesView)) }
        try file.close()
    }
}
