internal import CSodium

/// HMAC-SHA-512 with a 32-byte key, the first 32 bytes kept: NaCl's `crypto_auth`.
public enum Authentication {
    /// The code of a message.
    public static func code(of message: Span<UInt8>, key: FixedBytes<32>) -> FixedBytes<32> {
        var code = FixedBytes<32>()
        let status = unsafe code.withUnsafeMutableBytes { output in
            unsafe message.withUnsafeBytes { input in
                unsafe key.withUnsafeBytes { keyBytes in
                    unsafe crypto_auth(
                        output.bytePointer, input.bytePointer, UInt64(input.count),
                        keyBytes.bytePointer)
                }
            }
        }
        precondition(status == 0, "HMAC cannot fail")
        return code
    }

    /// Whether `code` is the message's, in constant time.
    public static func isValid(
        _ code: FixedBytes<32>, of message: Span<UInt8>, key: FixedBytes<32>
    ) -> Bool {
        unsafe code.withUnsafeBytes { expected in
            unsafe message.withUnsafeBytes { input in
                unsafe key.withUnsafeBytes { keyBytes in
                    unsafe crypto_auth_verify(
                        expected.bytePointer, input.bytePointer, UInt64(input.count),
                        keyBytes.bytePointer) == 0
                }
            }
        }
    }
}
