internal import TypedSodium

/// The client has proved itself and waits for the server's proof and consent.
struct AwaitingServerAccept: ~Copyable {
    /// The authenticate to send, sealed.
    let message: [UInt8]
    let network: NetworkIdentifier
    let server: PublicKey
    let hello: ClientHello
    let serverHello: ServerHello
    let authenticate: ClientAuthenticate
    let ephemeralSecret: EphemeralSecret
    let acceptKey: AcceptKey

    /// Verifies the server's accept, which establishes the session.
    consuming func receive(_ message: Span<UInt8>) throws(HandshakeError) -> SessionKeys {
        _ = try ServerAccept(
            opening: message, with: acceptKey, server: server, authenticate: authenticate,
            network: network, ephemeral: ephemeralSecret)
        return SessionKeys(
            acceptKey, own: authenticate.client, ownHello: hello, peer: server, peerHello: serverHello)
    }
}
