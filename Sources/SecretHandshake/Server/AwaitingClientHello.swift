internal import Sodium

/// The server waits for a client's hello.
struct AwaitingClientHello: ~Copyable {
    let network: NetworkIdentifier
    let identity: Identity
    let ephemeral: EphemeralKeyPair

    /// Verifies the client's hello, before anything is written to whoever sent it.
    consuming func receive(_ message: Span<UInt8>) throws(HandshakeError) -> AwaitingClientAuthenticate {
        let clientHello = try ClientHello(verifying: message, network: network)
        let ephemeralSecret = try EphemeralSecret(ephemeral, clientHello.ephemeralKey)
        let hello = ServerHello(ephemeralKey: ephemeral.publicKey, network: network)
        return AwaitingClientAuthenticate(
            hello: hello, network: network, identity: identity, ephemeral: ephemeral,
            clientHello: clientHello, ephemeralSecret: ephemeralSecret)
    }
}
