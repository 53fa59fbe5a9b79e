package import TypedSodium

/// ab: what the two ephemeral keys agree on, with the hash of it that both sides sign.
package struct EphemeralSecret: ~Copyable {
    package let key: SecretKey
    package let digest: SecretKey

    package init(
        _ own: borrowing EphemeralKeyPair, _ peer: AgreementPublicKey
    ) throws(HandshakeError) {
        key = try own.secret.agreeing(with: peer)
        var hash = SHA256()
        hash.update(key)
        digest = hash.finalizeSecret()
    }
}

/// aB: what the client's ephemeral key and the server's long-term key agree on.
package struct ServerSecret: ~Copyable {
    package let key: SecretKey

    /// The client's way to it.
    package init(_ own: borrowing EphemeralKeyPair, server: AgreementPublicKey) throws(HandshakeError) {
        key = try own.secret.agreeing(with: server)
    }

    /// The server's way to it.
    package init(_ own: Identity, _ hello: ClientHello) throws(HandshakeError) {
        key = try own.agreementSecret().agreeing(with: hello.ephemeralKey)
    }
}

/// Ab: what the client's long-term key and the server's ephemeral key agree on.
package struct ClientSecret: ~Copyable {
    package let key: SecretKey

    /// The client's way to it.
    package init(_ own: Identity, _ hello: ServerHello) throws(HandshakeError) {
        key = try own.agreementSecret().agreeing(with: hello.ephemeralKey)
    }

    /// The server's way to it.
    package init(_ own: borrowing EphemeralKeyPair, client: AgreementPublicKey) throws(HandshakeError) {
        key = try own.secret.agreeing(with: client)
    }
}

extension SecretKey {
    fileprivate borrowing func agreeing(
        with peer: AgreementPublicKey
    ) throws(HandshakeError) -> SecretKey {
        do { return try agree(with: peer) } catch { throw .weakKey }
    }
}

extension PublicKey {
    /// The key as X25519 wants it.
    ///
    /// - Throws: ``HandshakeError/unusableIdentity`` for what is no point of the curve's main subgroup.
    package func usableAgreementKey() throws(HandshakeError) -> AgreementPublicKey {
        do { return try agreementKey() } catch { throw .unusableIdentity }
    }
}

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
