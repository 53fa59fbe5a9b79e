internal import CSodium

/// A long-term Ed25519 key pair: who a node is.
///
/// The secret half stands in guarded memory, is shared by reference instead of copied, and has no description.
@safe
public final class Identity: @unchecked Sendable {
    // Safety: the guarded memory is written only inside `init` and freed only by `deinit`; in between every
    // thread only reads it.
    private let secret: UnsafeMutableRawPointer

    /// The public half.
    public let publicKey: PublicKey

    /// The length of a seed in bytes.
    public static let seedByteCount = 32
    /// The length of a secret key in libsodium's form, seed then public key, in bytes.
    public static let secretByteCount = 64

    /// The key pair that grows from a seed; the caller wipes its own copy of the seed.
    ///
    /// - Throws: ``SodiumError/outOfGuardedMemory``.
    public init(seed: borrowing SecretKey) throws(SodiumError) {
        _ = Library.isReady
        guard let memory = unsafe sodium_malloc(Self.secretByteCount) else { throw .outOfGuardedMemory }
        var publicBytes = FixedBytes<32>()
        let status = unsafe publicBytes.withUnsafeMutableBytes { publicPointer in
            StackMemory.wipingAfter {
                unsafe crypto_sign_seed_keypair(
                    publicPointer.bytePointer, memory.bytePointer, seed.start.bytePointer)
            }
        }
        precondition(status == 0, "a key pair can be made from any seed")
        unsafe secret = memory
        publicKey = PublicKey(publicBytes)
    }

    /// The key pair in libsodium's form: 32 bytes of seed, then the 32 of the public key.
    ///
    /// - Throws: ``SodiumError/mismatchedKeyPair`` when the public half is not the seed's,
    ///   ``SodiumError/wrongByteCount(_:expected:)`` or ``SodiumError/outOfGuardedMemory``.
    public convenience init(secretBytes: Span<UInt8>) throws(SodiumError) {
        guard secretBytes.count == Self.secretByteCount else {
            throw .wrongByteCount(secretBytes.count, expected: Self.secretByteCount)
        }
        let seed = try SecretKey(copying: secretBytes.extracting(first: Self.seedByteCount))
        try self.init(seed: seed)
        let claimed = try FixedBytes<32>(secretBytes.extracting(last: PublicKey.byteCount))
        guard publicKey.bytes == claimed else { throw .mismatchedKeyPair }
    }

    /// A fresh key pair.
    ///
    /// - Throws: ``SodiumError/outOfGuardedMemory``.
    public static func random() throws(SodiumError) -> Identity {
        try Identity(seed: SecretKey.random())
    }

    deinit { unsafe sodium_free(secret) }

    /// Signs a message.
    public func sign(_ message: Span<UInt8>) -> Signature {
        var signature = FixedBytes<64>()
        let status = unsafe signature.withUnsafeMutableBytes { output in
            unsafe message.withUnsafeBytes { input in
                StackMemory.wipingAfter {
                    unsafe crypto_sign_detached(
                        output.bytePointer, nil, input.bytePointer, UInt64(input.count), secret.bytePointer)
                }
            }
        }
        precondition(status == 0, "signing cannot fail")
        return Signature(signature)
    }

    /// The same key as an X25519 secret: the first half of SHA-512(seed), clamped.
    public func agreementSecret() -> SecretKey {
        let converted = SecretKey(uninitialized: ())
        let status = StackMemory.wipingAfter {
            unsafe crypto_sign_ed25519_sk_to_curve25519(converted.start.bytePointer, secret.bytePointer)
        }
        precondition(status == 0, "any seed can be hashed and clamped")
        return converted
    }

    /// A copy of the seed, not guarded, to derive other keys from.
    public func seed() -> SecretKey {
        let seed = SecretKey(uninitialized: ())
        unsafe seed.start.copyMemory(from: secret, byteCount: Self.seedByteCount)
        return seed
    }

    /// Lends seed and public key, 64 bytes, to the writer of the key file; they must not outlive the call.
    @unsafe
    public func withUnsafeSecretBytes<Result, Failure>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try unsafe body(UnsafeRawBufferPointer(start: secret, count: Self.secretByteCount))
    }
}
