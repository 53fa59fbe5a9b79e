internal import Blinding
internal import LMDB
public import Sodium

extension Keyring {
    /// What this portal asks of those who announce and those who call: nothing, unless said otherwise.
    public func policy() throws(KeyringError) -> AudiencePolicy {
        try store.read { (transaction) throws(KeyringError) in try transaction.policy() }
    }

    /// Says who may announce at this portal.
    public func setAnnouncers(_ audience: Audience) throws(KeyringError) {
        try changePolicy { $0.announcers = audience }
    }

    /// Says who may call through this portal.
    public func setCallers(_ audience: Audience) throws(KeyringError) {
        try changePolicy { $0.callers = audience }
    }

    /// The members of this portal, by label.
    public func members() throws(KeyringError) -> [Member] {
        let members = try store.read { (transaction) throws(KeyringError) in
            try transaction.records(StoredMember.self)
        }
        return members.map { $0.record.member($0.key) }.sorted { $0.label < $1.label }
    }

    /// Adds a member by id, or gives one that is there another label.
    public func addMember(_ key: PublicKey, label: String, now: UInt64) throws(KeyringError) {
        try checkLabel(label)
        try store.change { (transaction, change) throws(KeyringError) in
            let known = try transaction.record(StoredMember.self, key)
            guard known?.label != label else { return }
            let member = StoredMember(label: label, since: known?.since ?? now, invite: known?.invite)
            try transaction.put(member, key)
            change.mark()
        }
    }

    /// Removes a member, and takes back the invite that it came by.
    ///
    /// - Returns: whether it was one.
    @discardableResult
    public func removeMember(_ key: PublicKey, now: UInt64) throws(KeyringError) -> Bool {
        try store.change { (transaction, change) throws(KeyringError) in
            guard let member = try transaction.record(StoredMember.self, key) else { return false }
            try transaction.drop(StoredMember.self, key)
            if let invite = member.invite { try transaction.closeMemberInvite(invite, now: now) }
            change.mark()
            return true
        }
    }

    /// Serves somebody in nothing any more, member or not.
    public func deny(_ key: PublicKey, now: UInt64) throws(KeyringError) {
        try store.change { (transaction, change) throws(KeyringError) in
            guard try transaction.record(StoredDenial.self, key) == nil else { return }
            try transaction.put(StoredDenial(since: now), key)
            change.mark()
        }
    }

    /// Serves somebody again.
    ///
    /// - Returns: whether it was denied.
    @discardableResult
    public func undeny(_ key: PublicKey) throws(KeyringError) -> Bool {
        try store.change { (transaction, change) throws(KeyringError) in
            guard try transaction.drop(StoredDenial.self, key) else { return false }
            change.mark()
            return true
        }
    }

    /// Everybody whom this portal serves in nothing.
    public func denied() throws(KeyringError) -> [Denial] {
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
