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

    /// A proof that was looked at: what is to be decided, and what was wrong, when the rest is a decoy's.
    private struct Examined: ~Copyable {
        let decision: AwaitingDecision
        let failure: HandshakeError?

        consuming func takeDecision() -> AwaitingDecision { decision }
    }

    /// Verifies the client's proof; the client learns nothing yet.
    consuming func receive(_ message: Span<UInt8>) throws(HandshakeError) -> AwaitingDecision {
        let examined = try examine(message)
        if let failure = examined.failure { throw failure }
        return examined.takeDecision()
    }

    /// Verifies the client's proof, and prepares our consent to it, whatever is wrong with it.
    consuming func prepare(_ message: Span<UInt8>) throws(HandshakeError) -> ProvedClient {
        let examined = try examine(message)
        let failure = examined.failure
        let proved = ProvedClient(examined.takeDecision())
        if let failure { throw failure }
        return proved
    }

    /// The work is the same whatever is wrong with the proof: where a step has nothing to work on, it works on a decoy.
    ///
    /// Somebody who measures it does not learn whether the box was made for our key.
    private consuming func examine(_ message: Span<UInt8>) throws(HandshakeError) -> Examined {
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
        let isProof = authenticate != nil && agreementKey != nil
        let decision = AwaitingDecision(
            network: network, identity: identity, hello: hello, clientHello: clientHello,
            authenticate: authenticate ?? Decoy.shared.authenticate, ephemeralSecret: ephemeralSecret,
            acceptKey: acceptKey)
        return Examined(decision: decision, failure: isProof ? nil : failure)
    }
}
