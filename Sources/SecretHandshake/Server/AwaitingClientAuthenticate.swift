internal import Sodium

/// The server has answered a hello and waits for the client to prove who it is.
struct AwaitingClientAuthenticate: ~Copyable {
    /// The hello to send.
    let hello: ServerHello
    let network: NetworkIdentifier
    let identity: Identity
    let ephemeral: EphemeralKeyPair
    let clientHello: ClientHello
    let ephemeralSecret: EphemeralSecret

    /// Verifies the client's proof; the client learns nothing yet.
    consuming func receive(_ message: Span<UInt8>) throws(HandshakeError) -> AwaitingDecision {
        let serverSecret = try ServerSecret(identity, clientHello)
        let authenticateKey = AuthenticateKey(
            network: network, ephemeral: ephemeralSecret, server: serverSecret)
        let authenticate = try ClientAuthenticate(
            opening: message, with: authenticateKey, server: identity.publicKey, network: network,
            ephemeral: ephemeralSecret)
        let clientSecret = try ClientSecret(
            ephemeral, client: authenticate.client.usableAgreementKey())
        let acceptKey = AcceptKey(
            network: network, ephemeral: ephemeralSecret, server: serverSecret, client: clientSecret)
        return AwaitingDecision(
            network: network, identity: identity, hello: hello, clientHello: clientHello,
            authenticate: authenticate, ephemeralSecret: ephemeralSecret, acceptKey: acceptKey)
    }
}
