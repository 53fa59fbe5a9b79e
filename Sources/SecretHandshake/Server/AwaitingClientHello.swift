internal import TypedSodium

/// The server waits for a client's hello.
struct AwaitingClientHello: ~Copyable {
    /// Where the server's ephemeral key comes from.
    enum Ephemeral: ~Copyable {
        case made(EphemeralKeyPair)
        case making(@Sendable () -> EphemeralKeyPair)

        consuming func take() -> EphemeralKeyPair {
            switch consume self {
            case .made(let keyPair): keyPair
            case .making(let make): make()
            }
        }
    }

    let network: NetworkIdentifier
    let identity: Identity
    let ephemeral: Ephemeral

    /// Verifies the client's hello, before anything is written to its sender.
    consuming func receive(_ message: Span<UInt8>) throws(HandshakeError) -> AwaitingClientAuthenticate {
        let clientHello = try ClientHello(verifying: message, network: network)
        let (network, identity) = (network, identity)
        let ephemeral = takeEphemeral()
        let ephemeralSecret = try EphemeralSecret(ephemeral, clientHello.ephemeralKey)
        let hello = ServerHello(ephemeralKey: ephemeral.publicKey, network: network)
        return AwaitingClientAuthenticate(
            hello: hello, network: network, identity: identity, ephemeral: ephemeral,
            clientHello: clientHello, ephemeralSecret: ephemeralSecret)
    }

    private consuming func takeEphemeral() -> EphemeralKeyPair { ephemeral.take() }
}
