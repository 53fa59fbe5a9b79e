package import Sodium

/// The third message: who the client is, with its proof, for the server's eyes only; one that exists is valid, except a decoy's.
///
/// | offset | bytes | field, inside a secretbox of 16 + 96 bytes                         |
/// |--------|-------|--------------------------------------------------------------------|
/// | 0      | 64    | signature by the client over K ‖ server's key ‖ SHA-256(ab)        |
/// | 64     | 32    | the client's long-term public key                                  |
///
/// Source: Scuttlebutt Protocol Guide, "Handshake", step 3.
package struct ClientAuthenticate: Sendable {
    package static let byteCount = 112

    package let signature: Signature
    package let client: PublicKey

    /// What is no proof, for a decoy.
    init(signature: Signature, client: PublicKey) {
        self.signature = signature
        self.client = client
    }

    /// Our own proof to one server.
    package init(
        by identity: Identity, to server: PublicKey, network: NetworkIdentifier,
        ephemeral: borrowing EphemeralSecret
    ) {
        var statement = Self.statement(server: server, network: network, ephemeral: ephemeral)
        defer { wipe(&statement) }
        signature = identity.sign(statement.span)
        client = identity.publicKey
    }

    /// The client's proof to `server`, which is us.
    ///
    /// A signature is verified in every case, a decoy's where there is none: the time says nothing of the cause.
    /// - Throws: ``HandshakeError/forged``, also for keys and signatures that libsodium holds to be ambiguous.
    package init(
        opening message: Span<UInt8>, with key: borrowing AuthenticateKey,
        server: PublicKey, network: NetworkIdentifier, ephemeral: borrowing EphemeralSecret
    ) throws(HandshakeError) {
        try HandshakeError.check(message, is: Self.byteCount)
        var statement = Self.statement(server: server, network: network, ephemeral: ephemeral)
        defer { wipe(&statement) }
        let plain: [UInt8]
        do throws(HandshakeError) {
            plain = try key.open(message)
        } catch {
            Decoy.shared.verify()
            throw error
        }
        signature = Signature(FixedBytes(plain.span, at: 0))
        client = PublicKey(FixedBytes(plain.span, at: 64))
        // At what is nobody's, libsodium looks no further.
        guard signature.isCanonical else {
            Decoy.shared.verify()
            throw .forged
        }
        guard client.verifies(signature, of: statement.span) else {
            if (try? client.usableAgreementKey()) == nil { Decoy.shared.verify() }
            throw .forged
        }
    }

    package func sealed(with key: borrowing AuthenticateKey) -> [UInt8] {
        key.seal(signature.bytes.array + client.bytes.array)
    }

    /// What the client signs: that it wants to talk to this server, on this network, in this handshake.
    private static func statement(
        server: PublicKey, network: NetworkIdentifier, ephemeral: borrowing EphemeralSecret
    ) -> [UInt8] {
        var statement: [UInt8] = []
        statement.reserveCapacity(96)
        statement += network.bytes.array
        statement += server.bytes.array
        ephemeral.digest.append(to: &statement)
        return statement
    }
}
