internal import CSodium

/// XChaCha20-Poly1305 with the tag behind: libsodium's `crypto_aead_xchacha20poly1305_ietf`.
///
/// For messages whose nonces are drawn at random: 24 bytes make a repetition impossible in practice. What the message
/// has to stay with, but does not contain, is the associated data.
public enum XChaCha20Poly1305 {
    /// How much longer a sealed message is than its plaintext, in bytes; the nonce travels apart.
    public static let overheadByteCount = 16

    /// Seals a message.
    public static func seal(
        _ message: Span<UInt8>, with associated: Span<UInt8>, key: borrowing SecretKey, nonce: Nonce
    ) -> [UInt8] {
        let boxByteCount = message.count + overheadByteCount
        return unsafe [UInt8](unsafeUninitializedCapacity: boxByteCount) { box, initialized in
            let status = unsafe message.withUnsafeBytes { input in
                unsafe associated.withUnsafeBytes { beside in
                    unsafe nonce.withUnsafeBytes { nonceBytes in
                        StackMemory.wipingAfter {
                            unsafe crypto_aead_xchacha20poly1305_ietf_encrypt(
                                box.baseAddress.unsafelyUnwrapped, nil, input.bytePointer,
                                UInt64(input.count), beside.bytePointer, UInt64(beside.count), nil,
                                nonceBytes.bytePointer, key.start.bytePointer)
                        }
                    }
                }
            }
            precondition(status == 0, "sealing a message of memory's size cannot fail")
            initialized = boxByteCount
        }
    }

    /// Opens a box; nothing of a forged one is decrypted.
    ///
    /// - Throws: ``SodiumError/forged``, also when the box is shorter than its tag, or came with other associated data.
    public static func open(
        _ box: Span<UInt8>, with associated: Span<UInt8>, key: borrowing SecretKey, nonce: Nonce
    ) throws(SodiumError) -> [UInt8] {
        guard box.count >= overheadByteCount else { throw .forged }
        let byteCount = box.count - overheadByteCount
        var isGenuine = false
        let message = unsafe [UInt8](unsafeUninitializedCapacity: max(byteCount, 1)) { output, initialized in
            let status = unsafe box.withUnsafeBytes { input in
                unsafe associated.withUnsafeBytes { beside in
                    unsafe nonce.withUnsafeBytes { nonceBytes in
                        StackMemory.wipingAfter {
                            unsafe crypto_aead_xchacha20poly1305_ietf_decrypt(
                                output.baseAddress.unsafelyUnwrapped, nil, nil, input.bytePointer,
                                UInt64(input.count), beside.bytePointer, UInt64(beside.count),
                                nonceBytes.bytePointer, key.start.bytePointer)
                        }
                    }
                }
            }
            isGenuine = status == 0
            initialized = isGenuine ? byteCount : 0
        }
        guard isGenuine else { throw .forged }
        return message
    }
}
