package import SecretHandshake
package import TypedSodium

/// Whether, and how, a node is to be reached through a portal.
package enum NodeReception: Sendable, Equatable {
    /// Not at all: it only dials.
    case none
    /// By its id, which the portal lists.
    case open(EndpointPolicy)
    /// By the tokens that it has announced on this connection, and by nothing else.
    case hidden(EndpointPolicy)

    /// What is offered, to those who come through a tunnel.
    package var policy: EndpointPolicy? {
        switch self {
        case .none: nil
        case .open(let policy), .hidden(let policy): policy
        }
    }
}

/// Who a node is, and how it behaves.
package struct NodeConfiguration: Sendable {
    /// The key that friends know.
    package var identity: Identity
    /// The network that both handshakes speak.
    package var network: NetworkIdentifier
    /// How to be reached, and what to offer; the policy can be changed later.
    package var reception: NodeReception
    /// Milliseconds since 1970, for peers that ask.
    package var wallClock: @Sendable () -> Int64
    /// Who pays for what is held; shared by the connections of one endpoint to all its portals.
    package var accounts = EndpointAccounts()

    package init(
        identity: Identity, network: NetworkIdentifier, reception: NodeReception = .none,
        wallClock: @escaping @Sendable () -> Int64
    ) {
        self.identity = identity
        self.network = network
        self.reception = reception
        self.wallClock = wallClock
    }
}
