public import Sodium

/// What an endpoint offers, and to whom.
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

    /// The names of the services.
    public var services: [String]
    /// Who may open them.
    public var access: Access
    /// The keys of invites, whose holders may call `invite.use`, `whoami` and `tunnel.ping` and nothing else.
    ///
    /// Those of invites that are closed belong here as long as their holders are to be told why.
    public var invites: Set<PublicKey>
    /// The first invite that each friend came by, where it came by one: those of one invite share as one.
    public var invitedBy: [PublicKey: PublicKey] = [:]
    /// Whether a friend's `circle.grant` is put to the owner; it is no method else.
    public var grantsCircle: Bool

    /// A policy.
    public init(
        services: [String], access: Access, invites: Set<PublicKey> = [], grantsCircle: Bool = false
    ) {
        self.services = services
        self.access = access
        self.invites = invites
        self.grantsCircle = grantsCircle
    }

    /// What the owner of a key is here; `nil` for strangers.
    ///
    /// An invite's key is never a friend's, not even where anyone is one.
    func standing(of peer: PublicKey) -> Standing? {
        if invites.contains(peer) { return .invite }
        switch access {
        case .anyone: return .friend(.all)
        case .only(let friends): return friends[peer].map { .friend($0) }
        }
    }

    /// Who pays for what the owner of a key makes this endpoint hold.
    func party(of peer: PublicKey) -> EndpointAccounts.Party {
        if invites.contains(peer) { return .invite(peer) }
        switch access {
        case .anyone: return .stranger(peer)
        case .only: return .friend(peer, invite: invitedBy[peer])
        }
    }

    /// The names of the services that somebody of this standing may open.
    func services(for standing: Standing?) -> [String] {
        switch standing {
        case .friend(.all): services
        case .friend(.only(let names)): services.filter(names.contains)
        case .invite, nil: []
        }
    }
}
