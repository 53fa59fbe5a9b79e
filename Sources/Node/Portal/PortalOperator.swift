internal import Blinding
internal import Invitation
package import Keyring
package import Logging
internal import Multiserver
internal import PortalCore
package import TypedSodium

/// What a portal's operator sees and changes of its keyring while the portal runs; every change stands in the log.
///
/// A change counts within a second, as one of the command line does: the portal follows its keyring. Of a portal on several
/// machines it is made by their log.
package struct PortalOperator: Sendable {
    /// What the keyring says of the portal.
    package struct Books: Sendable {
        /// Who may do what.
        package let policy: AudiencePolicy
        /// The members, by label.
        package let members: [Member]
        /// The invites that are open, or were within the last 30 days, the newest first.
        package let invites: [InviteRecord]
        /// Those who are served in nothing.
        package let denials: [Denial]
    }

    /// The portal does not listen yet, so that an invite could not say where.
    package struct NotListening: Error {}

    private let keyring: Keyring
    private let membership: Membership
    private let running: RunningPortal
    private let logger: Logger

    /// The operator of a portal with that keyring.
    package init(_ keyring: Keyring, of running: RunningPortal, logger: Logger) {
        self.keyring = keyring
        membership = Membership(keyring)
        self.running = running
        self.logger = logger
    }

    /// What the keyring says at this moment.
    ///
    /// - Throws: `KeyringError`.
    package func books() async throws -> Books {
        try await Blocking.run { [membership] in
            Books(
                policy: try membership.policy(), members: try membership.all(),
                invites: try membership.invites.all(), denials: try membership.denied())
        }
    }

    /// Makes an invite; its code, which is shown to nobody but the caller.
    ///
    /// - Throws: `KeyringError`; ``NotListening``.
    package func invite(label: String, uses: Int, seconds: UInt64?) async throws -> String {
        guard let address = running.addresses.first else { throw NotListening() }
        let now = WallClock.seconds()
        let seed = try SecretKey.random()
        let wanted = try MemberInvites.draft(
            label: label, uses: uses, expiry: seconds.map { now + $0 }, seed: seed, now: now)
        try await author.make(wanted.change)
        note("made an invite", wanted.key.publicKey, ["label": "\(label)", "uses": "\(uses)"])
        return PortalInvite(portal: address, seed: seed).encoded()
    }

    /// Takes an invite back.
    ///
    /// - Returns: whether it was open.
    /// - Throws: `KeyringError`.
    package func revoke(_ invite: PublicKey) async throws -> Bool {
        let wasOpen = try await author.make(.revocation(InviteKey(invite))) == .made
        if wasOpen { note("revoked an invite", invite) }
        return wasOpen
    }

    /// Serves a key in nothing any more.
    ///
    /// - Throws: `KeyringError`.
    package func deny(_ key: PublicKey) async throws {
        let standing = try await author.deny(key)
        guard case .urgent(let reason) = standing else { return note("denied a key", key) }
        note("denied a key, which the log of the cluster has yet to say", key, ["reason": "\(reason)"])
    }

    /// Serves it again.
    ///
    /// - Returns: whether it was denied.
    /// - Throws: `KeyringError`.
    package func allow(_ key: PublicKey) async throws -> Bool {
        let wasDenied = try await author.make(.allowance(key)) == .made
        if wasDenied { note("allowed a key again", key) }
        return wasDenied
    }

    /// Ends a membership.
    ///
    /// - Returns: how many invites were revoked with it; `nil` where there was no such member.
    /// - Throws: `KeyringError`.
    package func remove(_ key: PublicKey) async throws -> Int? {
        let count: Int
        switch try await author.make(.removal(key)) {
        case .removed(let removal): count = removal.invites.count
        case .unchanged: return nil
        default: count = 0
        }
        note("removed a member", key, ["revoked": "\(count)"])
        return count
    }

    /// Of a portal on several machines their log has to be appended to.
    private var author: PolicyAuthor { PolicyAuthor(keyring, running.policy) }

    private func note(_ what: String, _ key: PublicKey, _ others: Logger.Metadata = [:]) {
        var metadata = others
        metadata["id"] = "\(key.id)"
        logger.notice("the operator's page \(what)", metadata: metadata)
    }
}
