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
