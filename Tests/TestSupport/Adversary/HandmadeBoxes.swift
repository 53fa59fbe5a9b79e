internal import SecretHandshake
internal import TypedSodium

/// A box stream made by hand with NaCl's one-call boxes, so that it can also be made wrong.
///
/// Independent of the BoxStream module, against which it is a check of its own.
struct HandmadeBoxes: ~Copyable {
    private let encryptKey: SecretKey
    private var encryptNonce: Nonce
    private let decryptKey: SecretKey
    private var decryptNonce: Nonce

    static let headerByteCount = 34
    static let maximumBodyByteCount = 4096
    private static let tagByteCount = 16

    init(_ keys: consuming SessionKeys) {
        self = keys.take { encryptKey, encryptNonce, decryptKey, decryptNonce in
            HandmadeBoxes(encryptKey, encryptNonce, decryptKey, decryptNonce)
        }
    }

    private init(
        _ encryptKey: consuming SecretKey, _ encryptNonce: Nonce, _ decryptKey: consuming SecretKey,
        _ decryptNonce: Nonce
    ) {
        self.encryptKey = encryptKey
        self.encryptNonce = encryptNonce
        self.decryptKey = decryptKey
        self.decryptNonce = decryptNonce
    }

    // MARK: Sending

    /// One frame around a body of 1…4096 bytes.
    mutating func seal(_ body: some Collection<UInt8>) -> [UInt8] {
        let header = encryptNonce
        Self.step(&encryptNonce)
        let box = SecretBox.seal(Array(body).span, key: encryptKey, nonce: encryptNonce)
        Self.step(&encryptNonce)
        return sealHeader(byteCount: body.count, tag: box.prefix(Self.tagByteCount), nonce: header)
            + box.dropFirst(Self.tagByteCount)
    }

    /// Frames around bytes, cut at most that long.
    mutating func seal(_ bytes: [UInt8], cutAt limit: Int) -> [UInt8] {
        var frames: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: limit) {
            frames += seal(bytes[start..<min(start + limit, bytes.count)])
        }
        return frames
    }

    /// A genuine header that says anything.
    mutating func sealHeader(byteCount: Int, tag: some Collection<UInt8>) -> [UInt8] {
        defer { Self.step(&encryptNonce) }
        return sealHeader(byteCount: byteCount, tag: tag, nonce: encryptNonce)
    }

    mutating func goodbye() -> [UInt8] {
        sealHeader(byteCount: 0, tag: [UInt8](repeating: 0, count: Self.tagByteCount))
    }

    private func sealHeader(byteCount: Int, tag: some Collection<UInt8>, nonce: Nonce) -> [UInt8] {
        let plain = [UInt8(byteCount >> 8 & 0xff), UInt8(byteCount & 0xff)] + tag
        return SecretBox.seal(plain.span, key: encryptKey, nonce: nonce)
    }

    // MARK: Receiving

    /// Opens a header: the body's length and tag, or nothing where it is forged.
    mutating func openHeader(_ box: [UInt8]) -> (byteCount: Int, tag: [UInt8])? {
        defer { Self.step(&decryptNonce) }
        let plain = try? SecretBox.open(box.span, key: decryptKey, nonce: decryptNonce)
        return plain.map { (Int($0[0]) << 8 | Int($0[1]), Array($0[2...])) }
    }

    /// Opens a body, or nothing where it is forged.
    mutating func open(_ body: [UInt8], tag: [UInt8]) -> [UInt8]? {
        defer { Self.step(&decryptNonce) }
        return try? SecretBox.open((tag + body).span, key: decryptKey, nonce: decryptNonce)
    }

    private static func step(_ nonce: inout Nonce) {
        for index in nonce.storage.indices.reversed() {
            nonce.storage[index] &+= 1
            if nonce.storage[index] != 0 { return }
        }
    }
}
