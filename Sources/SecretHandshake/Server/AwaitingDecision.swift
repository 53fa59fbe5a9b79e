internal import TypedSodium

/// The client has proved who it is; whether it is welcome is for the caller to say.
struct AwaitingDecision: ~Copyable {
    let network: NetworkIdentifier
    let identity: Identity
    let hello: ServerHello
    let clientHello: ClientHello
    let authenticate: ClientAuthenticate
    let ephemeralSecret: EphemeralSecret
    let acceptKey: AcceptKey

    /// Consents, and with that proves who we are.
    consuming func accept() -> Acceptance {
        let accept = ServerAccept(
            by: identity, to: authenticate, network: network, ephemeral: ephemeralSecret)
        return Acceptance(
            message: accept.sealed(with: acceptKey),
            keys: SessionKeys(
                acceptKey, own: identity.publicKey, ownHello: hello,
                peer: authenticate.client, peerHello: clientHello))
    }
}
