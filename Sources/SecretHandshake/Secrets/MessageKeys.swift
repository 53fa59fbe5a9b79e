package import TypedSodium

/// Seals the client's authenticate: SHA-256(K ‖ ab ‖ aB).
package struct AuthenticateKey: ~Copyable {
    package let key: SecretKey

    package init(
        network: NetworkIdentifier, ephemeral: borrowing EphemeralSecret,
        server: borrowing ServerSecret
    ) {
        var hash = SHA256()
        hash.update(network.bytes)
        hash.update(ephemeral.key)
        hash.update(server.key)
        key = hash.finalizeSecret()
    }

    package borrowing func seal(_ plain: [UInt8]) -> [UInt8] { key.sealOnce(plain) }

    package borrowing func open(_ box: Span<UInt8>) throws(HandshakeError) -> [UInt8] {
        try key.openOnce(box)
    }
}

/// Seals the server's accept: SHA-256(K ‖ ab ‖ aB ‖ Ab).
///
/// The session's keys grow from it too.
package struct AcceptKey: ~Copyable {
    package let key: SecretKey

    package init(
        network: NetworkIdentifier, ephemeral: borrowing EphemeralSecret,
        server: borrowing ServerSecret, client: borrowing ClientSecret
    ) {
        var hash = SHA256()
        hash.update(network.bytes)
        hash.update(ephemeral.key)
        hash.update(server.key)
        hash.update(client.key)
        key = hash.finalizeSecret()
    }

    package borrowing func seal(_ plain: [UInt8]) -> [UInt8] { key.sealOnce(plain) }

    package borrowing func open(_ box: Span<UInt8>) throws(HandshakeError) -> [UInt8] {
        try key.openOnce(box)
    }
}

extension SecretKey {
    // A nonce of zero bytes is safe here: both ephemeral keys are hashed into the key, so it belongs to one
    // handshake, and in that it seals a single message.

    fileprivate borrowing func sealOnce(_ plain: [UInt8]) -> [UInt8] {
        SecretBox.seal(plain.span, key: self, nonce: Nonce())
    }

    fileprivate borrowing func openOnce(_ box: Span<UInt8>) throws(HandshakeError) -> [UInt8] {
        do { return try SecretBox.open(box, key: self, nonce: Nonce()) } catch { throw .forged }
    }
}
