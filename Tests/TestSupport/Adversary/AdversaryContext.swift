internal import Multiserver
package import SecretHandshake
package import TypedSodium

/// Whom an ``AdversarialPeer`` meets, and who it is.
package struct AdversaryContext: Sendable {
    /// The network.
    package var network: NetworkIdentifier
    /// Who it is, outside and inside a tunnel.
    package var identity: Identity
    /// Whom it dials, where it is the client.
    package var server: PublicKey
    /// The portal that it names in `tunnel.connect`.
    package var portal: PublicKey
    /// Whom it expects at the far end of a tunnel that it opens.
    package var target: PublicKey
    /// How it names the target; the id unless a token is to be tried.
    package var targetName: String
    /// The service that it opens.
    package var service = "ssh"

    /// A world of two: the victim is server, portal and target in one.
    package init(network: NetworkIdentifier, identity: Identity, victim: PublicKey) {
        self.network = network
        self.identity = identity
        server = victim
        portal = victim
        target = victim
        targetName = victim.id
    }
}
