internal import CSodium

/// XSalsa20-Poly1305 with the tag in front: NaCl's `crypto_secretbox`, for messages as short as a handshake's.
///
/// A box-stream frame is sealed by `BoxStream`, in place and with the keystream shared between its parts.
public enum SecretBox {
    /// How much longer a sealed message is than its plaintext, in bytes.
    public static let overheadByteCount = 16

    /// Seals a message.
    public static func seal(_ message: Span<UInt8>, key: borrowing SecretKey, nonce: Nonce) -> [UInt8] {
        let boxByteCount = message.count + overheadByteCount
        return unsafe [UInt8](unsafeUninitializedCapacity: boxByteCount) { box, initialized in
            let status = unsafe message.withUnsafeBytes { input in
                unsafe nonce.withUnsafeBytes { nonceBytes in
                    StackMemory.wipingAfter {
                        unsafe crypto_secretbox_easy(
                            box.baseAddress.unsafelyUnwrapped, input.bytePointer, UInt64(input.count),
                            nonceBytes.bytePointer, key.start.bytePointer)
                    }
                }
            }
            precondition(status == 0, "sealing a message of memory's size cannot fail")
            initialized = boxByteCount
        }
    }

    /// Opens a box; nothing of a forged one is decrypted.
    ///
    /// - Throws: ``SodiumError/forged``, also when the box is shorter than its tag.
    public static func open(
        _ box: Span<UInt8>, key: borrowing SecretKey, nonce: Nonce
    ) throws(SodiumError) -> [UInt8] {
        guard box.count >= overheadByteCount else { throw .forged }
        let byteCount = box.count - overheadByteCount
        var isGenuine = false
        let message = unsafe [UInt8](unsafeUninitializedCapacity: max(byteCount, 1)) { output, initialized in
            let status = unsafe box.withUnsafeBytes { input in
                unsafe nonce.withUnsafeBytes { nonceBytes in
                    StackMemory.wipingAfter {
                        unsafe crypto_secretbox_open_easy(
                            output.baseAddress.unsafelyUnwrapped, input.bytePointer, UInt64(input.count),
                            nonceBytes.bytePointer, key.start.bytePointer)
                    }
                }
            }
            isGenuine = status == 0
            initialized = isGenuine ? byteCount : 0
        }
        guard isGenuine else { throw .forged }
        return message
    }

    /// Seals a key, of which no copy is left behind.
    public static func seal(
        _ secret: borrowing SecretKey, key: borrowing SecretKey, nonce: Nonce
    ) -> [UInt8] {
        var message: [UInt8] = []
        message.reserveCapacity(SecretKey.byteCount)
        secret.append(to: &message)
        defer { wipe(&message) }
        return seal(message.span, key: key, nonce: nonce)
    }

    /// Opens the box of a key, of which no other copy is left behind.
    ///
    /// - Throws: ``SodiumError/forged``, or ``SodiumError/wrongByteCount(_:expected:)`` for what is no key.
    public static func openKey(
        _ box: Span<UInt8>, key: borrowing SecretKey, nonce: Nonce
    ) throws(SodiumError) -> SecretKey {
        var message = try open(box, key: key, nonce: nonce)
        defer { wipe(&message) }
        return try SecretKey(copying: message.span)
    }
}
