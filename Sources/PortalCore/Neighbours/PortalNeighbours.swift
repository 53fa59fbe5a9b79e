internal import Blinding
package import TypedSodium

/// The other machines that serve the same portal, as the connections of this one see them.
///
/// Every call returns at once, on any event loop, and calls nothing of the portal's. What is announced and left is told
/// in order. Without neighbours a portal is one machine, and nothing here is asked.
package protocol PortalNeighbours: Sendable {
    /// A peer has begun to announce here; once for each announcement, not for tokens that replace others on the same
    /// connection.
    func announced(_ peer: PublicKey, _ manner: NeighbourManner)

    /// A peer announces here no more.
    func left(_ peer: PublicKey)

    /// Looks for a target on the other machines; `take` is told each step, on any thread, until the look-up is over.
    ///
    /// What ends in the words of a miss is looked up as ``NeighbourTarget/nobody``, so that it takes as long.
    func lookUp(
        _ target: NeighbourTarget, for caller: NeighbourCaller,
        take: @escaping @Sendable (NeighbourStep) -> Void
    ) -> NeighbourLookUp

    /// The place that a look-up named was not reached: the next step is told.
    func failed(_ lookUp: NeighbourLookUp, _ failure: NeighbourFailure)

    /// A look-up is over: its target was reached, or its caller is gone.
    func end(_ lookUp: NeighbourLookUp)
}

/// How a peer announces.
package enum NeighbourManner: Equatable, Sendable {
    /// By a call of `tunnel.announce`.
    case explicit
    /// By a mere subscription to the lists.
    case subscription
    /// By tokens.
    case hidden
}

/// What is looked for.
package enum NeighbourTarget: Hashable, Sendable {
    /// Who announces openly.
    case id(PublicKey)
    /// Who announces this token, and has proved this key where one is given.
    case token(FixedBytes<32>, provedBy: PublicKey?)
    /// Nobody: a miss from the beginning, which may take no less time than another.
    case nobody

    /// What a client wants to reach.
    init(_ request: ConnectRequest) {
        switch request.target {
        case .id(let key): self = .id(key)
        case .token(let token): self = .token(token.bytes, provedBy: request.announcer)
        case .nobody: self = .nobody
        }
    }
}

/// Who looks something up, and so pays for it.
package enum NeighbourCaller: Hashable, Sendable {
    /// A member of the portal.
    case member(PublicKey)
    /// Anybody else, by what its address counts as.
    case stranger(source: String)
}

/// A look-up that is under way.
package struct NeighbourLookUp: Hashable, Sendable {
    /// Its number.
    package let value: UInt64

    /// The look-up with a number.
    package init(_ value: UInt64) { self.value = value }
}

/// What a look-up has come to.
package enum NeighbourStep: Equatable, Sendable {
    /// Try this: a connection of this portal that is a link to the machine, and the key that announces there.
    case reach(link: ConnectionID, endpoint: PublicKey)
    /// Nobody has it; the look-up is over.
    case missed
    /// Somebody has it, to whom there is no link; the look-up is over.
    case unreachable
    /// There was no place for the look-up; it is over.
    case busy
}

/// Why a place was not reached.
package enum NeighbourFailure: Equatable, Sendable {
    /// It refused, or is there no more.
    case refused
    /// The link is gone.
    case noLink
}
