public import Sodium

/// What an endpoint offers, and to whom.
public struct EndpointPolicy: Sendable, Equatable {
    /// Who counts as a friend.
    public enum Access: Sendable, Equatable {
        /// Whoever proves any key.
        case anyone
        /// The owners of these keys.
        case only(Set<PublicKey>)
    }

    /// The names of the services.
    public var services: [String]
    /// Who may open them.
    public var access: Access

    /// A policy.
    public init(services: [String], access: Access) {
        self.services = services
        self.access = access
    }

    func allows(_ friend: PublicKey) -> Bool {
        switch access {
        case .anyone: true
        case .only(let friends): friends.contains(friend)
        }
    }
}
