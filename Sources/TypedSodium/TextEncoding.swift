internal import CSodium

/// Base64 in the time that the length alone decides, for texts that carry a secret.
///
/// Only canonical text is read: every byte string has exactly one spelling in each encoding.
/// Source: RFC 4648, sections 4 and 5.
public enum TextEncoding: CaseIterable, Sendable {
    /// The standard alphabet, padded.
    case base64
    /// The alphabet for addresses and file names, without padding.
    case base64URL

    /// The number of digits, padding included, for that many bytes.
    public func digitCount(forByteCount byteCount: Int) -> Int {
        switch self {
        case .base64: (byteCount + 2) / 3 * 4
        case .base64URL: (byteCount * 4 + 2) / 3
        }
    }

    /// The digits of `bytes` in ASCII; the caller wipes them if they are secret.
    public func encode(_ bytes: Span<UInt8>) -> [UInt8] {
        let digitCount = digitCount(forByteCount: bytes.count)
        // libsodium ends the text with a zero byte, which is cut off again.
        return unsafe [UInt8](unsafeUninitializedCapacity: digitCount + 1) { text, initialized in
            unsafe bytes.withUnsafeBytes { input in
                let start = unsafe UnsafeMutableRawPointer(text.baseAddress.unsafelyUnwrapped)
                _ = unsafe sodium_bin2base64(
                    start.assumingMemoryBound(to: CChar.self), digitCount + 1,
                    input.bytePointer, input.count, variant)
            }
            initialized = digitCount
        }
    }

    /// The bytes that the ASCII digits stand for, in one allocation that the caller wipes if they are secret.
    ///
    /// - Throws: ``SodiumError/notCanonicalText`` for anything but the one spelling that ``encode(_:)`` prints.
    public func decode(_ text: Span<UInt8>) throws(SodiumError) -> [UInt8] {
        let capacity = text.count / 4 * 3 + 3
        var byteCount = 0
        var status: Int32 = -1
        var bytes = unsafe [UInt8](unsafeUninitializedCapacity: capacity) { output, initialized in
            status = unsafe text.withUnsafeBytes { digits in
                let digitBytes = unsafe UnsafeRawPointer(digits.bytePointer)
                return unsafe sodium_base642bin(
                    output.baseAddress.unsafelyUnwrapped, capacity,
                    digitBytes.assumingMemoryBound(to: CChar.self), digits.count,
                    nil, &byteCount, nil, variant)
            }
            if status != 0 { unsafe sodium_memzero(output.baseAddress.unsafelyUnwrapped, capacity) }
            initialized = status == 0 ? byteCount : 0
        }
        guard status == 0 else { throw .notCanonicalText }
        // libsodium takes some characters beyond ASCII for digits (1.0.18: "é9v"), so the spelling is compared.
        var spelling = encode(bytes.span)
        defer { wipe(&spelling) }
        guard spelling.count == text.count, Self.isEqual(spelling.span, text) else {
            wipe(&bytes)
            throw .notCanonicalText
        }
        return bytes
    }

    /// In constant time; both have the same length.
    private static func isEqual(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Bool {
        unsafe left.withUnsafeBytes { left in
            unsafe right.withUnsafeBytes { right in
                unsafe sodium_memcmp(left.bytePointer, right.bytePointer, left.count) == 0
            }
        }
    }

    private var variant: Int32 {
        switch self {
        case .base64: sodium_base64_VARIANT_ORIGINAL
        case .base64URL: sodium_base64_VARIANT_URLSAFE_NO_PADDING
        }
    }
}
