package import TypedSodium

/// The fourth message: the server's proof, which is its consent as well; one that exists is valid.
///
/// A secretbox of 16 + 64 bytes around a signature by the server over K ‖ client's signature ‖ client's key ‖
/// SHA-256(ab). Source: Scuttlebutt Protocol Guide, "Handshake", step 4.
package struct ServerAccept: Sendable {
    package static let byteCount = 80

    package let signature: Signature

    /// Our own consent to one client.
    package init(
        by identity: Identity, to authenticate: ClientAuthenticate, network: NetworkIdentifier,
        ephemeral: borrowing EphemeralSecret
    ) {
        var statement = Self.statement(authenticate, network: network, ephemeral: ephemeral)
        defer { wipe(&statement) }
        signature = identity.sign(statement.span)
    }

    /// The server's consent to `authenticate`, which is ours.
    package init(
        opening message: Span<UInt8>, with key: borrowing AcceptKey,
        server: PublicKey, authenticate: ClientAuthenticate, network: NetworkIdentifier,
        ephemeral: borrowing EphemeralSecret
    ) throws(HandshakeError) {
        try HandshakeError.check(message, is: Self.byteCount)
        let plain = try key.open(message)
        signature = Signature(FixedBytes(plain.span, at: 0))
        var statement = Self.statement(authenticate, network: network, ephemeral: ephemeral)
        defer { wipe(&statement) }
        guard server.verifies(signature, of: statement.span) else { throw .forged }
    }

    package func sealed(with key: borrowing AcceptKey) -> [UInt8] { key.seal(signature.bytes.array) }

    private static func statement(
        _ authenticate: ClientAuthenticate, network: NetworkIdentifier,
        ephemeral: borrowing EphemeralSecret
    ) -> [UInt8] {
        var statement: [UInt8] = []
        statement.reserveCapacity(160)
        statement += network.bytes.array
        statement += authenticate.signature.bytes.array
        statement += authenticate.client.bytes.array
        ephemeral.digest.append(to: &statement)
        return statement
    }
}
