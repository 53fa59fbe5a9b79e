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
