import BoxStream
import TestSupport
import TypedSodium

/// Box stream the slow and obvious way, with `crypto_secretbox_easy` for every box, to compare with.
struct Reference {
    var key: [UInt8]
    var nonce: [UInt8]

    /// A key and a nonce drawn from a seed.
    init(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        (key, nonce) = (random.bytes(32), random.bytes(24))
    }

    init(key: [UInt8], nonce: [UInt8]) { (self.key, self.nonce) = (key, nonce) }

    /// The next frame.
    mutating func frame(_ body: [UInt8]) throws -> [UInt8] {
        let box = try self.box(body, nonce: successor(of: nonce))
        let header = try self.header(length: body.count, tag: Array(box.prefix(16)))
        advance(by: 2)
        return header + box.dropFirst(16)
    }

    /// A header box with the nonce that is next in line, which a test may use to lie.
    func header(length: Int, tag: [UInt8]) throws -> [UInt8] {
        try box([UInt8(length >> 8), UInt8(length & 0xFF)] + tag, nonce: nonce)
    }

    /// The goodbye.
    func goodbye() throws -> [UInt8] { try box([UInt8](repeating: 0, count: 18), nonce: nonce) }

    /// Skips boxes.
    mutating func advance(by count: Int) {
        for _ in 0..<count { nonce = successor(of: nonce) }
    }

    /// What seals the same stream.
    func sealer() throws -> Sealer {
        Sealer(key: try SecretKey(copying: key.span), nonce: try Nonce(nonce))
    }

    /// What opens the same stream.
    func opener() throws -> Opener {
        Opener(key: try SecretKey(copying: key.span), nonce: try Nonce(nonce))
    }

    /// What reads the same stream in pieces.
    func reader() throws -> StreamReader { StreamReader(opener: try opener()) }

    private func box(_ message: [UInt8], nonce: [UInt8]) throws -> [UInt8] {
        try SecretBox.seal(message.span, key: SecretKey(copying: key.span), nonce: Nonce(nonce))
    }

    private func successor(of nonce: [UInt8]) -> [UInt8] {
        var next = nonce
        for index in next.indices.reversed() {
            next[index] &+= 1
            if next[index] != 0 { break }
        }
        return next
    }
}

extension Sealer {
    /// The next frame, headroom and all.
    mutating func frame(_ body: [UInt8]) -> [UInt8] {
        var frame = [UInt8](repeating: 0xA5, count: BoxFrame.headerByteCount) + body
        var elements = frame.mutableSpan
        var bytes = unsafe elements.mutableBytes
        seal(&bytes)
        return frame
    }
}
