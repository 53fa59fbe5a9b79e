internal import LMDB
package import TypedSodium

/// What the operator of a portal decides: whom it serves, its members, and those whom it serves in nothing.
///
/// It stands in the same store as the operator's keyring, and knows nothing of friends.
///
/// Invariants: who is no member any more was removed, and no invite made before admits that key again; who is served
/// in nothing comes by no invite.
package struct Membership: Sendable {
    let store: KeyringStore

    /// The membership of the portal whose operator has a keyring.
    package init(_ keyring: Keyring) { store = keyring.store }

    init(store: KeyringStore) { self.store = store }

    /// The invites to the portal.
    package var invites: MemberInvites { MemberInvites(store: store) }

    /// What a log says of the portal, where it is on several machines.
    package var log: MembershipLog { MembershipLog(store: store) }

    // MARK: Policy

    /// What this portal asks of those who announce and those who call: nothing, unless said otherwise.
    package func policy() throws(KeyringError) -> AudiencePolicy {
        try store.read { (transaction) throws(KeyringError) in try Self.policy(transaction) }
    }

    /// Says who may announce at this portal.
    package func setAnnouncers(_ audience: Audience) throws(KeyringError) {
        try make(.audiences(announcers: audience, callers: nil), now: 0)
    }

    /// Says who may call through this portal.
    package func setCallers(_ audience: Audience) throws(KeyringError) {
        try make(.audiences(announcers: nil, callers: audience), now: 0)
    }

    // MARK: Members

    /// The members of this portal, by label.
    package func all() throws(KeyringError) -> [Member] {
        let members = try store.read { (transaction) throws(KeyringError) in
            try transaction.records(StoredMember.self)
        }
        return members.compactMap { $0.record.member($0.key) }.sorted { $0.label < $1.label }
    }

    /// Adds a member by id, or gives one that is there another label.
    package func add(_ key: PublicKey, label: String, now: UInt64) throws(KeyringError) {
        try make(.member(key, label: label), now: now)
    }

    /// Removes a member, and takes back every invite that admitted it; a tombstone stays, so that none made before
    /// admits it again.
    ///
    /// - Returns: what became of its invites; `nil` when it was no member.
    @discardableResult
    package func remove(_ key: PublicKey, now: UInt64) throws(KeyringError) -> MemberRemoval? {
        guard case .removed(let removal) = try make(.removal(key), now: now) else { return nil }
        return removal
    }

    // MARK: Denials

    /// Serves somebody in nothing any more, member or not; the invites that admitted it are taken back.
    package func deny(_ key: PublicKey, now: UInt64) throws(KeyringError) { try make(.denial(key), now: now) }

    /// Serves somebody again.
    ///
    /// - Returns: whether it was denied.
    @discardableResult
    package func undeny(_ key: PublicKey) throws(KeyringError) -> Bool {
        try make(.allowance(key), now: 0) == .made
    }

    /// Everybody whom this portal serves in nothing.
    package func denied() throws(KeyringError) -> [Denial] {
        try store.read { (transaction) throws(KeyringError) in
            let denied = try transaction.records(StoredDenial.self).map {
                Denial(key: $0.key, since: $0.record.since)
            }
            let known = Set(denied.map(\.key))
            return try denied + StoredUrgency.all(transaction).filter { !known.contains($0.key) }
        }
    }

    // MARK: Changes

    /// Makes a change in this keyring alone; see ``MembershipLog`` for a portal on several machines.
    ///
    /// - Throws: ``KeyringError``, ``KeyringError/inCluster`` among others.
    @discardableResult
    package func make(_ wanted: PolicyChange, now: UInt64) throws(KeyringError) -> PolicyOutcome {
        let outcomes = try make([wanted], now: now)
        if case .refused(let error) = outcomes[0] { throw error }
        return outcomes[0]
    }

    /// Makes changes in one transaction; what came of each, in their order.
    func make(_ wanted: [PolicyChange], now: UInt64) throws(KeyringError) -> [PolicyOutcome] {
        try store.change { (transaction, change) throws(KeyringError) in
            try MembershipLog.allowChange(transaction)
            // Run alone, there is no log that will ever say these.
            for denial in try StoredUrgency.all(transaction) {
                _ = try PolicyTable.make(.denial(denial.key), at: denial.since, &transaction, &change)
            }
            var outcomes: [PolicyOutcome] = []
            for wanted in wanted {
                outcomes.append(try PolicyTable.make(wanted, at: now, &transaction, &change))
            }
            if change.isEffective { try MembershipLog.noteChange(&transaction) }
            return outcomes
        }
    }

    static func policy<Access>(
        _ transaction: borrowing KeyringTransaction<Access>
    ) throws(KeyringError) -> AudiencePolicy {
        try transaction.record(StoredPolicy.self, StoredPolicy.key)?.policy
            ?? AudiencePolicy(announcers: .everyone, callers: .everyone)
    }
}

/// A member who was removed, and what became of the invites that admitted it.
package struct MemberRemoval: Hashable, Sendable {
    /// What was known about it.
    package let member: Member
    /// The invites that were open, as they were before, each with the other members who came by it.
    package let invites: [ClosedMemberInvite]
}
