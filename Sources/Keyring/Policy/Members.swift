internal import Blinding
internal import LMDB
package import TypedSodium

extension Keyring {
    /// What this portal asks of those who announce and those who call: nothing, unless said otherwise.
    package func policy() throws(KeyringError) -> AudiencePolicy {
        try store.read { (transaction) throws(KeyringError) in try transaction.policy() }
    }

    /// Says who may announce at this portal.
    package func setAnnouncers(_ audience: Audience) throws(KeyringError) {
        try changePolicy { $0.announcers = audience }
    }

    /// Says who may call through this portal.
    package func setCallers(_ audience: Audience) throws(KeyringError) {
        try changePolicy { $0.callers = audience }
    }

    /// The members of this portal, by label.
    package func members() throws(KeyringError) -> [Member] {
        let members = try store.read { (transaction) throws(KeyringError) in
            try transaction.records(StoredMember.self)
        }
        return members.compactMap { $0.record.member($0.key) }.sorted { $0.label < $1.label }
    }

    /// Adds a member by id, or gives one that is there another label.
    package func addMember(_ key: PublicKey, label: String, now: UInt64) throws(KeyringError) {
        try checkLabel(label)
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
    package func removeMember(_ key: PublicKey, now: UInt64) throws(KeyringError) -> MemberRemoval? {
        try store.change { (transaction, change) throws(KeyringError) in
            guard let record = try transaction.record(StoredMember.self, key),
                let member = record.member(key)
            else { return nil }
            // The label tells who it was, and nobody needs that any more.
            try transaction.put(StoredMember(nil, removedAt: change.sequence), key)
            change.mark()
            return MemberRemoval(
                member: member, invites: try transaction.closeMemberInvites(of: member.uses, now: now))
        }
    }

    /// Serves somebody in nothing any more, member or not; the invites that admitted it are taken back, or it would
    /// come back under another key.
    package func deny(_ key: PublicKey, now: UInt64) throws(KeyringError) {
        try store.change { (transaction, change) throws(KeyringError) in
            guard try transaction.record(StoredDenial.self, key) == nil else { return }
            try transaction.put(StoredDenial(since: now), key)
            if let membership = try transaction.record(StoredMember.self, key)?.membership {
                _ = try transaction.closeMemberInvites(of: membership.uses, now: now)
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

    func checkLabel(_ label: String) throws(KeyringError) {
        guard label.utf8.count <= InviteDraft.labelByteCountLimit else {
            throw .labelTooLong(label.utf8.count)
        }
    }

    private func changePolicy(_ edit: (inout AudiencePolicy) -> Void) throws(KeyringError) {
        try store.change { (transaction, change) throws(KeyringError) in
            let former = try transaction.policy()
            var policy = former
            edit(&policy)
            guard policy != former else { return }
            try transaction.put(StoredPolicy(policy), StoredPolicy.key)
            change.mark()
        }
    }
}

extension Transaction {
    borrowing func policy() throws(KeyringError) -> AudiencePolicy {
        try record(StoredPolicy.self, StoredPolicy.key)?.policy
            ?? AudiencePolicy(announcers: .everyone, callers: .everyone)
    }
}
