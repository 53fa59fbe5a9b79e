internal import TypedSodium

/// A secret of 32 bytes under the key of the vault: a random nonce, then the box.
struct SealedKey: StoredField, Equatable {
    private static let nonceByteCount = 24
    private static let boxByteCount = SecretKey.byteCount + SecretBox.overheadByteCount

    private let nonce: Nonce
    private let box: [UInt8]

    init(_ secret: borrowing SecretKey, under key: borrowing SecretKey) {
        nonce = FixedBytes(Random.bytes(Self.nonceByteCount).span, at: 0)
        box = SecretBox.seal(secret, key: key, nonce: nonce)
    }

    init(_ reader: inout RecordReader) throws(RecordFault) {
        let nonceBytes = try reader.fixed(Self.nonceByteCount)
        nonce = FixedBytes(nonceBytes.span, at: 0)
        box = try reader.fixed(Self.boxByteCount)
    }

    func write(to writer: inout RecordWriter) {
        writer.add(fixed: nonce.array)
        writer.add(fixed: box)
    }

    /// The secret; `nil` where it was sealed under another key.
    func opened(under key: borrowing SecretKey) -> SecretKey? {
        try? SecretBox.openKey(box.span, key: key, nonce: nonce)
    }
}
