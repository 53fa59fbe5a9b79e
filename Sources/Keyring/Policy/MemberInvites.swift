public import Blinding
internal import LMDB
public import Sodium

extension Keyring {
    /// Makes an invite to this portal, of which only the public half is kept; the caller prints the code.
    ///
    /// - Parameters:
    ///   - label: whom it is for; who comes by it is listed so.
    ///   - uses: how many may come by it, from 1 to ``InviteDraft/useLimit``.
    ///   - expiry: when it ends, in Unix seconds; `nil` for never.
    ///   - seed: fresh and random.
    ///   - now: Unix seconds.
    /// - Returns: what is kept of it.
    /// - Throws: ``KeyringError``.
    public func createMemberInvite(
        label: String, uses: Int, expiry: UInt64?, seed: borrowing SecretKey, now: UInt64
    ) throws(KeyringError) -> MemberInvite {
        try InviteDraft(label: label, uses: uses, expiry: expiry).check(now: now)
        let key: InviteKey
        do throws(SodiumError) {
            key = InviteKey(try Identity(seed: seed).publicKey)
        } catch {
            throw .outOfGuardedMemory
        }
        let invite = StoredMemberInvite(label: label, uses: uses, expiry: expiry, now: now)
        try store.change { (transaction, change) throws(KeyringError) in
            guard try transaction.record(StoredMemberInvite.self, key.publicKey) == nil else {
                throw .seedUsed
            }
            try transaction.put(invite, key.publicKey)
            change.mark()
        }
        return invite.invite(key)
    }

    /// Every invite to this portal that is open, or was within the last 30 days, the newest first.
    public func memberInvites() throws(KeyringError) -> [MemberInvite] {
        let invites = try store.read { (transaction) throws(KeyringError) in
            try transaction.records(StoredMemberInvite.self)
        }
        return invites.map { $0.record.invite(InviteKey($0.key)) }.sorted { $0.createdAt > $1.createdAt }
    }

    /// Takes an invite to this portal back; who came by it stays a member.
    ///
    /// - Returns: whether it was open.
    @discardableResult
    public func revokeMemberInvite(_ key: InviteKey, now: UInt64) throws(KeyringError) -> Bool {
        try store.change { (transaction, change) throws(KeyringError) in
            guard try transaction.closeMemberInvite(key, now: now) else { return false }
            change.mark()
            return true
        }
    }

    /// Makes somebody a member by an invite, in one transaction; who is one already costs no use.
    public func redeemMember(
        _ invite: InviteKey, by feed: PublicKey, now: UInt64
    ) throws(KeyringError) -> MemberRedemption {
        try store.change { (transaction, change) throws(KeyringError) in
            guard try transaction.record(StoredDenial.self, feed) == nil else { return .refused(.removed) }
            if try transaction.record(StoredMember.self, feed) != nil { return .admitted(isFresh: false) }
            guard var stored = try transaction.record(StoredMemberInvite.self, invite.publicKey) else {
                return .refused(.revoked)
            }
            if let closing = stored.closing { return .refused(RedeemRefusal(closing.reason)) }
            if let expiry = stored.expiry, now >= expiry { return .refused(.expired) }
            stored.usesLeft -= 1
            if stored.usesLeft == 0 { stored.closing = Closing(reason: .usedUp, at: now) }
            try transaction.put(stored, invite.publicKey)
            try transaction.put(StoredMember(label: stored.label, since: now, invite: invite), feed)
            change.mark()
            return .admitted(isFresh: true)
        }
    }
}

extension Transaction where Access == Writing {
    /// Closes a member invite that is open.
    ///
    /// - Returns: whether it was.
    @discardableResult
    mutating func closeMemberInvite(_ key: InviteKey, now: UInt64) throws(KeyringError) -> Bool {
        guard var invite = try record(StoredMemberInvite.self, key.publicKey), invite.closing == nil else {
            return false
        }
        invite.closing = Closing(reason: .revoked, at: now)
        try put(invite, key.publicKey)
        return true
    }
}
