internal import NIOCore

/// How the tunnels of a node's connection end with it.
enum TunnelEnding {
    /// Not yet.
    case none
    /// Another connection takes the calls; the tunnels that there are go on.
    case retired
    /// Goodbye is said in each; the other sides' ends are awaited.
    case awaited(until: NIODeadline)
    /// All have ended, or have had the time for it.
    case over

    var isRetired: Bool { if case .retired = self { true } else { false } }

    /// Whether the connection is about to end.
    var isLeaving: Bool {
        switch self {
        case .none, .retired: false
        case .awaited, .over: true
        }
    }
}
