internal import Sodium

/// The newest policy, which all sessions of a connection look at whenever they are asked for something.
final class CurrentPolicy {
    var policy: EndpointPolicy
    /// The key of this endpoint that friends know.
    let own: PublicKey

    init(_ policy: EndpointPolicy, own: PublicKey) {
        self.policy = policy
        self.own = own
    }

    /// What a peer is here; nobody is a guest of himself.
    func standing(of peer: PublicKey?) -> EndpointPolicy.Standing? {
        guard let peer, peer != own else { return nil }
        return policy.standing(of: peer)
    }
}
