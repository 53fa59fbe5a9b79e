package import TypedSodium

/// The side that dials and proves itself first; marks what is the client's.
package enum Client {}

/// The side that is dialled and known beforehand; marks what is the server's.
package enum Server {}

/// The first message, from the client.
package typealias ClientHello = Hello<Client>

/// The second message, from the server.
package typealias ServerHello = Hello<Server>

/// An ephemeral key with the proof that its sender knows the network identifier; one that exists is valid.
///
/// | offset | bytes | field                                                             |
/// |--------|-------|-------------------------------------------------------------------|
/// | 0      | 32    | code: HMAC-SHA-512-256 of the key, under the network identifier   |
/// | 32     | 32    | the sender's ephemeral X25519 public key                          |
///
/// Both hellos look the same, so a hello that is sent back to its author verifies; what is agreed on from it
/// stays unknown to the sender. Source: Scuttlebutt Protocol Guide, "Handshake", steps 1 and 2.
package struct Hello<Sender>: Sendable {
    package static var byteCount: Int { 64 }

    package let code: FixedBytes<32>
    package let ephemeralKey: AgreementPublicKey

    /// Our own hello.
    package init(ephemeralKey: AgreementPublicKey, network: NetworkIdentifier) {
        self.ephemeralKey = ephemeralKey
        code = Authentication.code(of: ephemeralKey.bytes.storage.span, key: network.bytes)
    }

    /// The peer's hello.
    package init(verifying message: Span<UInt8>, network: NetworkIdentifier) throws(HandshakeError) {
        try HandshakeError.check(message, is: Self.byteCount)
        code = FixedBytes(message, at: 0)
        ephemeralKey = AgreementPublicKey(FixedBytes(message, at: 32))
        guard
            Authentication.isValid(code, of: ephemeralKey.bytes.storage.span, key: network.bytes)
        else { throw .wrongNetwork }
    }

    package var bytes: [UInt8] { code.array + ephemeralKey.bytes.array }

    /// The first nonce of what is sent to this hello's author.
    package var firstNonce: Nonce { Nonce(code.storage.span, at: 0) }
}
