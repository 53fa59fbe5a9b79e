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
