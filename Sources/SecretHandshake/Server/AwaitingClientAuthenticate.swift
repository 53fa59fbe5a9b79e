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
    ///
    /// The work is the same whatever is wrong with the proof: where a step has nothing to work on, it works on a decoy.
    /// Somebody who measures it does not learn whether the box was made for our key.
    consuming func receive(_ message: Span<UInt8>) throws(HandshakeError) -> AwaitingDecision {
        let serverSecret = try ServerSecret(identity, clientHello)
        let authenticateKey = AuthenticateKey(
            network: network, ephemeral: ephemeralSecret, server: serverSecret)
        var authenticate: ClientAuthenticate?
        var failure = HandshakeError.forged
        do throws(HandshakeError) {
            authenticate = try ClientAuthenticate(
                opening: message, with: authenticateKey, server: identity.publicKey, network: network,
                ephemeral: ephemeralSecret)
        } catch {
            failure = error
        }
        var agreementKey: AgreementPublicKey?
        do throws(HandshakeError) {
            agreementKey = try (authenticate?.client ?? Decoy.shared.key).usableAgreementKey()
        } catch {
            failure = error
        }
        let clientSecret = try ClientSecret(ephemeral, client: agreementKey ?? Decoy.shared.agreementKey)
        let acceptKey = AcceptKey(
            network: network, ephemeral: ephemeralSecret, server: serverSecret, client: clientSecret)
        guard let authenticate, agreementKey != nil else { throw failure }
        return AwaitingDecision(
            network: network, identity: identity, hello: hello, clientHello: clientHello,
            authenticate: authenticate, ephemeralSecret: ephemeralSecret, acceptKey: acceptKey)
    }
}
