internal import CSodium

/// An Ed25519 public key: what a peer is known by.
public struct PublicKey: Hashable, Sendable {
    /// The length in bytes.
    public static let byteCount = 32

    /// The encoded point.
    public let bytes: FixedBytes<32>

    /// Wraps an encoded point; whether it is one shows when it is used.
    public init(_ bytes: FixedBytes<32>) { self.bytes = bytes }
}

/// An X25519 public key, long-term (converted from Ed25519) or ephemeral.
public struct AgreementPublicKey: Hashable, Sendable {
    /// The length in bytes.
    public static let byteCount = 32

    /// The encoded coordinate.
    public let bytes: FixedBytes<32>

    /// Wraps an encoded coordinate; a weak one is refused when a secret is agreed on.
    public init(_ bytes: FixedBytes<32>) { self.bytes = bytes }
}

/// A detached Ed25519 signature.
public struct Signature: Hashable, Sendable {
    /// The length in bytes.
    public static let byteCount = 64

    /// R, then S.
    public let bytes: FixedBytes<64>

    /// Wraps an encoded signature.
    public init(_ bytes: FixedBytes<64>) { self.bytes = bytes }
}

/// A 24-byte nonce of XSalsa20-Poly1305.
public typealias Nonce = FixedBytes<24>

/// A 16-byte Poly1305 tag.
public typealias Tag = FixedBytes<16>

extension PublicKey {
    /// The same key as an X25519 public key.
    ///
    /// - Throws: ``SodiumError/notOnCurve`` for what is no point of the main subgroup, points of small order
    ///   included.
    public func agreementKey() throws(SodiumError) -> AgreementPublicKey {
        var converted = FixedBytes<32>()
        let status = unsafe converted.withUnsafeMutableBytes { output in
            unsafe bytes.withUnsafeBytes { point in
                unsafe crypto_sign_ed25519_pk_to_curve25519(
                    output.bytePointer, point.bytePointer)
            }
        }
        guard status == 0 else { throw .notOnCurve }
        return AgreementPublicKey(converted)
    }
}

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
