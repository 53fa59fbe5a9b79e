public import TypedSodium

/// What an established handshake leaves behind: the proved peer, and a key and first nonce per direction.
///
/// The two directions differ in the receiver's key that is hashed in, so one side's encryption is the other's
/// decryption. Source: Scuttlebutt Protocol Guide, "Handshake", "Shared secrets" and "Box stream".
@frozen
public struct SessionKeys: ~Copyable, Sendable {
    /// The peer, who has proved to own this key.
    public let peer: PublicKey
    /// Seals what we send.
    public let encryptKey: SecretKey
    /// The first nonce of what we send.
    public let encryptNonce: Nonce
    /// Opens what we receive.
    public let decryptKey: SecretKey
    /// The first nonce of what we receive.
    public let decryptNonce: Nonce

    /// Hands over both directions: key and nonce to encrypt with, key and nonce to decrypt with.
    public consuming func take<Result: ~Copyable, Failure>(
        _ body: (consuming SecretKey, Nonce, consuming SecretKey, Nonce) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(encryptKey, encryptNonce, decryptKey, decryptNonce)
    }
}

extension SessionKeys {
    /// The keys of one side.
    ///
    /// A nonce comes from the hello of the side that receives.
    package init<Own, Peer>(
        _ accept: borrowing AcceptKey, own: PublicKey, ownHello: Hello<Own>,
        peer: PublicKey, peerHello: Hello<Peer>
    ) {
        let secret = SessionSecret(accept)
        self.init(
            peer: peer,
            encryptKey: secret.key(towards: peer), encryptNonce: peerHello.firstNonce,
            decryptKey: secret.key(towards: own), decryptNonce: ownHello.firstNonce)
    }
}
