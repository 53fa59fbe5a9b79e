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

    /// The invites to the portal.
    package var invites: MemberInvites { MemberInvites(store: store) }

    // MARK: Policy

    /// What this portal asks of those who announce and those who call: nothing, unless said otherwise.
    package func policy() throws(KeyringError) -> AudiencePolicy {
        try store.read { (transaction) throws(KeyringError) in try Self.policy(transaction) }
    }

    /// Says who may announce at this portal.
    package func setAnnouncers(_ audience: Audience) throws(KeyringError) {
        try changePolicy { $0.announcers = audience }
    }

    /// Says who may call through this portal.
    package func setCallers(_ audience: Audience) throws(KeyringError) {
        try changePolicy { $0.callers = audience }
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
        guard label.utf8.count <= InviteDraft.labelByteCountLimit else {
            throw .labelTooLong(label.utf8.count)
        }
        try store.change { (transaction, change) throws(KeyringError) in
            var record = try transaction.record(StoredMember.self, key) ?? StoredMember(nil, removedAt: nil)
            guard record.membership?.label != label else { return }
            if record.membership == nil {
                record.membership = .init(label: label, since: now, invite: nil, uses: InviteUses())
            }
            record.membership?.label = label
            try transaction.put(record, key)
            change.mark()
        }
    }

    /// Removes a member, and takes back every invite that admitted it; a tombstone stays, so that none made before
    /// admits it again.
    ///
    /// - Returns: what became of its invites; `nil` when it was no member.
    @discardableResult
    package func remove(_ key: PublicKey, now: UInt64) throws(KeyringError) -> MemberRemoval? {
        try store.change { (transaction, change) throws(KeyringError) in
            guard let record = try transaction.record(StoredMember.self, key),
                let member = record.member(key)
            else { return nil }
            // The label tells who it was, and nobody needs that any more.
            try transaction.put(StoredMember(nil, removedAt: change.sequence), key)
            change.mark()
            return MemberRemoval(
                member: member,
                invites: try MemberInvites.close(whatAdmitted: member.uses, &transaction, now: now))
        }
    }

    // MARK: Denials

    /// Serves somebody in nothing any more, member or not; the invites that admitted it are taken back, or it would
    /// come back under another key.
    package func deny(_ key: PublicKey, now: UInt64) throws(KeyringError) {
        try store.change { (transaction, change) throws(KeyringError) in
            guard try transaction.record(StoredDenial.self, key) == nil else { return }
            try transaction.put(StoredDenial(since: now), key)
            if let membership = try transaction.record(StoredMember.self, key)?.membership {
                _ = try MemberInvites.close(whatAdmitted: membership.uses, &transaction, now: now)
            }
            change.mark()
        }
    }

    /// Serves somebody again.
    ///
    /// - Returns: whether it was denied.
    @discardableResult
    package func undeny(_ key: PublicKey) throws(KeyringError) -> Bool {
        try store.change { (transaction, change) throws(KeyringError) in
            guard try transaction.drop(StoredDenial.self, key) else { return false }
            change.mark()
            return true
        }
    }

    /// Everybody whom this portal serves in nothing.
    package func denied() throws(KeyringError) -> [Denial] {
        let denied = try store.read { (transaction) throws(KeyringError) in
            try transaction.records(StoredDenial.self)
        }
        return denied.map { Denial(key: $0.key, since: $0.record.since) }
    }

    private func changePolicy(_ edit: (inout AudiencePolicy) -> Void) throws(KeyringError) {
        try store.change { (transaction, change) throws(KeyringError) in
            let former = try Self.policy(transaction)
            var policy = former
            edit(&policy)
            guard policy != former else { return }
            try transaction.put(StoredPolicy(policy), StoredPolicy.key)
            change.mark()
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
