/// What an ``AdversarialPeer`` is going to do, all of it decided by one seed.
package struct AdversaryPlan: Sendable, CustomStringConvertible {
    /// Which side of the outer handshake it takes.
    package enum Role: String, Sendable, CaseIterable {
        /// It dials.
        case client
        /// It is dialled.
        case server
    }

    /// In which of the two nested sessions it misbehaves.
    package enum Depth: String, Sendable, CaseIterable {
        /// In the connection itself.
        case outer
        /// In the session inside a tunnel that it opens with `tunnel.connect`, as inner client.
        case callingTunnel
        /// In the session inside a tunnel that is opened to it with `tunnel.connect`, as inner server.
        case answeringTunnel
    }

    /// How its output is cut into pieces.
    package enum Cut: String, Sendable, CaseIterable {
        /// As long as a socket is read at once.
        case reads
        /// Into a few thousand bytes, more or less.
        case chunks
        /// Into single bytes at first, then as ``chunks``.
        case crumbs
    }

    /// What everything random comes from.
    package var seed: UInt64
    /// Which side it takes.
    package var role: Role
    /// Where it misbehaves.
    package var depth: Depth
    /// What it does.
    package var misdeed: Misdeed
    /// How many correct calls it makes before.
    package var honestCallCount: Int
    /// How its output comes.
    package var cut: Cut

    /// The plan of a seed; role and depth may be fixed by the test's context.
    package init(seed: UInt64, role: Role? = nil, depth: Depth? = nil, misdeed: Misdeed? = nil) {
        var random = SeededRandom(seed: seed)
        self.seed = seed
        self.role = role ?? Self.choose(Role.allCases, &random)
        self.depth = depth ?? Self.choose(Depth.allCases, &random)
        self.misdeed = misdeed ?? Self.choose(Misdeed.allCases, &random)
        honestCallCount = Int.random(in: 0...3, using: &random)
        cut = Self.choose(Cut.allCases, &random)
    }

    /// Everything that a failing test has to say.
    package var description: String {
        "seed \(seed): \(role.rawValue), \(depth.rawValue), \(honestCallCount) calls, then \(misdeed), \(cut.rawValue)"
    }

    private static func choose<Choice>(_ choices: [Choice], _ random: inout SeededRandom) -> Choice {
        choices[Int.random(in: choices.indices, using: &random)]
    }
}
