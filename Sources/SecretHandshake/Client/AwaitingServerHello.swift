internal import TypedSodium

/// The client has said hello and waits for the server's.
struct AwaitingServerHello: ~Copyable {
    let hello: ClientHello
    private let network: NetworkIdentifier
    private let identity: Identity
    private let server: PublicKey
    private let serverAgreementKey: AgreementPublicKey
    private let ephemeral: EphemeralKeyPair

    init(
        network: NetworkIdentifier, identity: Identity, server: PublicKey,
        ephemeral: consuming EphemeralKeyPair
    ) throws(HandshakeError) {
        serverAgreementKey = try server.usableAgreementKey()
        hello = ClientHello(ephemeralKey: ephemeral.publicKey, network: network)
        self.network = network
        self.identity = identity
        self.server = server
        self.ephemeral = ephemeral
    }

    /// Verifies the server's hello and proves to it who we are.
    consuming func receive(_ message: Span<UInt8>) throws(HandshakeError) -> AwaitingServerAccept {
        let serverHello = try ServerHello(verifying: message, network: network)
        let ephemeralSecret = try EphemeralSecret(ephemeral, serverHello.ephemeralKey)
        let serverSecret = try ServerSecret(ephemeral, server: serverAgreementKey)
        let clientSecret = try ClientSecret(identity, serverHello)
        let authenticate = ClientAuthenticate(
            by: identity, to: server, network: network, ephemeral: ephemeralSecret)
        let authenticateKey = AuthenticateKey(
            network: network, ephemeral: ephemeralSecret, server: serverSecret)
        let acceptKey = AcceptKey(
            network: network, ephemeral: ephemeralSecret, server: serverSecret, client: clientSecret)
        return AwaitingServerAccept(
            message: authenticate.sealed(with: authenticateKey), network: network, server: server,
            hello: hello, serverHello: serverHello, authenticate: authenticate,
            ephemeralSecret: ephemeralSecret, acceptKey: acceptKey)
    }
}
