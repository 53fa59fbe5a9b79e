package import TypedSodium

/// S = SHA-256(accept key): the session's secret, from which each direction's key is hashed.
package struct SessionSecret: ~Copyable {
    package let key: SecretKey

    package init(_ accept: borrowing AcceptKey) {
        var hash = SHA256()
        hash.update(accept.key)
        key = hash.finalizeSecret()
    }

    /// The key of what is sent to `receiver`: SHA-256(S ‖ receiver's long-term key).
    package borrowing func key(towards receiver: PublicKey) -> SecretKey {
        var hash = SHA256()
        hash.update(key)
        hash.update(receiver.bytes)
        return hash.finalizeSecret()
    }
}
