public import Sodium

/// What an endpoint offers, and to whom, at each of its instances.
public struct EndpointPolicy: Sendable, Equatable {
    /// Which of the services a friend may open.
    public enum Rights: Sendable, Equatable {
        /// All that are offered, now and later.
        case all
        /// Those of these names that are offered.
        case only(Set<String>)
    }

    /// Who counts as a friend.
    public enum Access: Sendable, Equatable {
        /// Whoever proves any key; each may open everything.
        case anyone
        /// The owners of these keys.
        case only([PublicKey: Rights])
    }

    /// What a peer is to this endpoint.
    enum Standing: Equatable {
        case friend(Rights)
        case invite
    }

    /// What one of the endpoint's instances offers, and to whom; nothing of it holds for any other.
    public struct Instance: Sendable, Equatable {
        /// The names of the services.
        public var services: [String]
        /// Who may open them.
        public var access: Access
        /// The portals behind which it is there; `nil` for all of the endpoint's.
        public var portals: Set<PublicKey>?

        /// An instance.
        public init(services: [String], access: Access, portals: Set<PublicKey>? = nil) {
            self.services = services
            self.access = access
            self.portals = portals
        }
    }

    /// The instances that are served, by number; a call that names none means 0.
    ///
    /// Friendship is 0's: invites are redeemed there, and a friend is let in there whatever it may open. At any other
    /// instance only those are known for whom it has a service.
    public var instances: [Int: Instance]
    /// The keys of invites, whose holders may call `invite.use`, `whoami` and `tunnel.ping` and nothing else.
    ///
    /// Those of invites that are closed belong here as long as their holders are to be told why.
    public var invites: Set<PublicKey>
    /// The first invite that each friend came by, where it came by one: those of one invite share as one.
    public var invitedBy: [PublicKey: PublicKey] = [:]
    /// Whether a friend's `circle.grant` is put to the owner; it is no method else.
    public var grantsCircle: Bool

    /// A policy of instance 0 alone.
    public init(
        services: [String], access: Access, invites: Set<PublicKey> = [], grantsCircle: Bool = false
    ) {
        self.init(
            instances: [0: Instance(services: services, access: access)], invites: invites,
            grantsCircle: grantsCircle)
    }

    /// A policy of several instances.
    public init(instances: [Int: Instance], invites: Set<PublicKey> = [], grantsCircle: Bool = false) {
        self.instances = instances
        self.invites = invites
        self.grantsCircle = grantsCircle
    }

    /// What the owner of a key who comes through a portal is at an instance; `nil` for strangers, and where that
    /// instance has nothing for them or is none there.
    ///
    /// An invite's key is never a friend's, not even where anyone is one.
    func standing(of peer: PublicKey, at instance: Int?, through portal: PublicKey) -> Standing? {
        guard let instance, let offer = instances[instance], offer.portals?.contains(portal) != false else {
            return nil
        }
        guard !invites.contains(peer) else { return instance == 0 ? .invite : nil }
        let rights: Rights
        switch offer.access {
        case .anyone: rights = .all
        case .only(let friends):
            guard let granted = friends[peer] else { return nil }
            rights = granted
        }
        return instance == 0 || !offer.services(for: rights).isEmpty ? .friend(rights) : nil
    }

    /// Who pays for what the owner of a key makes this endpoint hold, at whichever instance.
    func party(of peer: PublicKey) -> EndpointAccounts.Party {
        if invites.contains(peer) { return .invite(peer) }
        let isKnown = instances.values.contains { offer in
            if case .only(let friends) = offer.access { friends[peer] != nil } else { false }
        }
        return isKnown ? .friend(peer, invite: invitedBy[peer]) : .stranger(peer)
    }

    /// The names of the services that somebody of this standing may open at an instance.
    func services(for standing: Standing?, at instance: Int?) -> [String] {
        guard case .friend(let rights)? = standing, let instance else { return [] }
        return instances[instance]?.services(for: rights) ?? []
    }
}

extension EndpointPolicy.Instance {
    fileprivate func services(for rights: EndpointPolicy.Rights) -> [String] {
        switch rights {
        case .all: services
        case .only(let names): services.filter(names.contains)
        }
    }
}
