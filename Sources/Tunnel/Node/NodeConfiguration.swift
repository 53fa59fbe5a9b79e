public import SecretHandshake
public import Sodium

extension NodeConnection {
    /// Who this node is, and how it behaves.
    public struct Configuration: Sendable {
        /// The key that friends know.
        public var identity: Identity
        /// The network that both handshakes speak.
        public var network: NetworkIdentifier
        /// What to offer to those who come through a tunnel; `nil` for a node that only dials.
        public var policy: EndpointPolicy?
        /// Milliseconds since 1970, for peers that ask.
        public var wallClock: @Sendable () -> Int64

        /// A configuration.
        public init(
            identity: Identity, network: NetworkIdentifier, policy: EndpointPolicy? = nil,
            wallClock: @escaping @Sendable () -> Int64
        ) {
            self.identity = identity
            self.network = network
            self.policy = policy
            self.wallClock = wallClock
        }
    }
}
