internal import Sodium

/// The newest policy, which all sessions of a connection look at whenever they are asked for something.
final class CurrentPolicy {
    var policy: EndpointPolicy
    /// The key of this endpoint that friends know.
    let own: PublicKey
    /// The portal that the connection leads to.
    let portal: PublicKey

    init(_ policy: EndpointPolicy, own: PublicKey, portal: PublicKey) {
        self.policy = policy
        self.own = own
        self.portal = portal
    }
}

/// The newest policy as it is for those who have called one instance.
struct CalledInstance {
    /// Which one; `nil` for what is no number of an instance, where nobody finds anything.
    let number: Int?
    private let current: CurrentPolicy

    init(_ number: Int?, of current: CurrentPolicy) {
        self.number = number
        self.current = current
    }

    /// The key of this endpoint that friends know.
    var own: PublicKey { current.own }

    /// Whether a friend's `circle.grant` is put to the owner.
    var grantsCircle: Bool { current.policy.grantsCircle }

    /// What a peer is here; nobody is a guest of himself.
    func standing(of peer: PublicKey?) -> EndpointPolicy.Standing? {
        guard let peer, peer != own else { return nil }
        return current.policy.standing(of: peer, at: number, through: current.portal)
    }

    /// The names of the services that a peer may open here.
    func services(for peer: PublicKey?) -> [String] {
        current.policy.services(for: standing(of: peer), at: number)
    }

    /// Who pays for what a peer makes this endpoint hold; the same at every instance.
    func party(of peer: PublicKey) -> EndpointAccounts.Party { current.policy.party(of: peer) }
}
