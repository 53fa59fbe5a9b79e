internal import Connection
internal import NIOCore

extension PortalConnection {
    /// How far a connection has come.
    enum Stage {
        case handshake(PortalHandshake)
        case open
        /// There is no place for the peer's address: it is told so whatever it calls, and closed then.
        case turnedAway(until: NIODeadline)
        /// Our goodbye is said, the peer's is awaited.
        case closing(until: NIODeadline)
        /// Everything is said, and the peer's end is awaited.
        case finished(until: NIODeadline)
        case broken

        /// What is to become of the connection.
        var phase: ConnectionPhase {
            switch self {
            case .handshake, .open, .turnedAway, .closing: .running
            case .finished: .finished
            case .broken: .broken
            }
        }

        /// Whether muxrpc is spoken.
        var isOpen: Bool {
            guard case .open = self else { return false }
            return true
        }

        /// Whether calls are answered, if only by a refusal.
        var isServed: Bool {
            switch self {
            case .open, .turnedAway: true
            case .handshake, .closing, .finished, .broken: false
            }
        }

        /// Whether nothing is begun any more that the peer asks for, and all that it sends is read and dropped.
        var isLeaving: Bool {
            switch self {
            case .closing, .finished, .broken: true
            case .handshake, .open, .turnedAway: false
            }
        }
    }
}
