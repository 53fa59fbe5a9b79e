package import Keyring
package import TypedSodium

/// How what a portal's operator decides is written down: in its keyring, or, of a portal on several machines, in their log.
package struct PolicyAuthor: Sendable {
    private let membership: Membership
    private let shared: SharedPolicy?

    /// Writes into a keyring, by a log where there is one.
    package init(_ keyring: Keyring, _ shared: SharedPolicy?) {
        membership = Membership(keyring)
        self.shared = shared
    }

    /// Makes a change, which counts in this keyring when this returns.
    ///
    /// - Returns: what it came to.
    /// - Throws: `KeyringError` for a change that is not possible among others; ``ClusterPolicyFailure``.
    @discardableResult
    package func make(_ change: PolicyChange) async throws -> PolicyOutcome {
        guard let shared else {
            return try await Blocking.run { [membership] in
                try membership.make(change, now: WallClock.seconds())
            }
        }
        let outcome = try await shared.make([change]).first ?? .made
        if case .refused(let error) = outcome { throw error }
        return outcome
    }

    /// Serves somebody in nothing any more: here at once, also while NATS is away.
    ///
    /// - Throws: `KeyringError`; ``ClusterPolicyFailure``.
    package func deny(_ key: PublicKey) async throws -> SharedPolicy.DenialStanding {
        if let shared { return try await shared.deny(key) }
        do {
            try await make(.denial(key))
            return .logged
        } catch KeyringError.inCluster {
            try await Blocking.run { [membership] in try Self.denyUrgently(key, in: membership) }
            return .urgent("the settings name no NATS")
        }
    }

    /// Serves somebody in nothing in this keyring, of which a log of several machines has yet to hear.
    ///
    /// - Throws: `KeyringError`; ``ClusterPolicyFailure/tooManyDenials(limit:)``.
    package static func denyUrgently(_ key: PublicKey, in keyring: Keyring) throws {
        try denyUrgently(key, in: Membership(keyring))
    }

    private static func denyUrgently(_ key: PublicKey, in membership: Membership) throws {
        let denial = Denial(key: key, since: WallClock.seconds())
        if case .tooMany(let limit) = try membership.log.denyUrgently([denial]) {
            throw ClusterPolicyFailure.tooManyDenials(limit: limit)
        }
    }
}
