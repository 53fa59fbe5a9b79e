internal import Multiserver
public import SecretHandshake
public import Sodium

/// Whom an ``AdversarialPeer`` meets, and who it is.
public struct AdversarySurroundings: Sendable {
    /// The network.
    public var network: NetworkIdentifier
    /// Who it is, outside and inside a tunnel.
    public var identity: Identity
    /// Whom it dials, where it is the client.
    public var server: PublicKey
    /// The portal that it names in `tunnel.connect`.
    public var portal: PublicKey
    /// Whom it expects at the far end of a tunnel that it opens.
    public var target: PublicKey
    /// How it names the target; the id unless a token is to be tried.
    public var targetName: String
    /// The service that it opens.
    public var service = "ssh"

    /// A world of two: the victim is server, portal and target in one.
    public init(network: NetworkIdentifier, identity: Identity, victim: PublicKey) {
        self.network = network
        self.identity = identity
        server = victim
        portal = victim
        target = victim
        targetName = victim.id
    }
}
