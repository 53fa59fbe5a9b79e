internal import CSodium

/// An X25519 key pair that lives as long as one handshake.
public struct EphemeralKeyPair: ~Copyable, Sendable {
    /// The scalar.
    public let secret: SecretKey
    /// What goes over the wire.
    public let publicKey: AgreementPublicKey

    /// The key pair of a given scalar; libsodium clamps it on use.
    public init(secret: consuming SecretKey) {
        var publicBytes = FixedBytes<32>()
        let status = unsafe publicBytes.withUnsafeMutableBytes { output in
            StackMemory.wipingAfter {
                unsafe crypto_scalarmult_base(output.bytePointer, secret.start.bytePointer)
            }
        }
        precondition(status == 0, "the base point has no small order")
        publicKey = AgreementPublicKey(publicBytes)
        self.secret = secret
    }

    /// A fresh key pair.
    public static func random() -> EphemeralKeyPair {
        let secret = SecretKey(uninitialized: ())
        unsafe randombytes_buf(secret.start, SecretKey.byteCount)
        return EphemeralKeyPair(secret: secret)
    }
}

extension SecretKey {
    /// X25519: what this secret and `other` have in common.
    ///
    /// - Throws: ``SodiumError/weakKey`` when `other` has small order, so that the result is all zero.
    public borrowing func agree(with other: AgreementPublicKey) throws(SodiumError) -> SecretKey {
        let shared = SecretKey(uninitialized: ())
        let status = unsafe other.bytes.withUnsafeBytes { point in
            StackMemory.wipingAfter {
                unsafe crypto_scalarmult(
                    shared.start.bytePointer, start.bytePointer, point.bytePointer)
            }
        }
        guard status == 0 else { throw .weakKey }
        return shared
    }
}

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
