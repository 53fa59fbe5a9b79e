internal import CSodium

extension PublicKey {
    /// Whether `signature` is this key's over `message`.
    ///
    /// libsodium refuses an S that is not reduced (a malleated signature), and an R or a key of small order.
    public func verifies(_ signature: Signature, of message: Span<UInt8>) -> Bool {
        unsafe signature.bytes.withUnsafeBytes { signatureBytes in
            unsafe message.withUnsafeBytes { messageBytes in
                unsafe bytes.withUnsafeBytes { key in
                    unsafe crypto_sign_verify_detached(
                        signatureBytes.bytePointer, messageBytes.bytePointer,
                        UInt64(messageBytes.count), key.bytePointer) == 0
                }
            }
        }
    }
}

extension Signature {
    /// Whether its second half is below the order of the group, 2²⁵² + 27742317777372353535851937790883648493.
    ///
    /// Another is nobody's, and is refused at sight. It is no secret which it is.
    public var isCanonical: Bool {
        for index in stride(from: 31, through: 0, by: -1) {
            let (own, order) = (bytes.storage[32 + index], Self.groupOrder[index])
            if own != order { return own < order }
        }
        return false
    }

    /// Source: RFC 8032, section 5.1; little-endian.
    private static let groupOrder: [UInt8] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ]
}
