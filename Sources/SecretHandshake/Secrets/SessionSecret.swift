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

extension SessionKeys {
    /// The keys of one side.
    ///
    /// A nonce comes from the hello of the side that receives.
    package init<Own, Peer>(
        _ accept: borrowing AcceptKey, own: PublicKey, ownHello: Hello<Own>,
        peer: PublicKey, peerHello: Hello<Peer>
    ) {
        let secret = SessionSecret(accept)
        self.init(
            peer: peer,
            encryptKey: secret.key(towards: peer), encryptNonce: peerHello.firstNonce,
            decryptKey: secret.key(towards: own), decryptNonce: ownHello.firstNonce)
    }
}
