package import Blinding
internal import LMDB
package import TypedSodium

/// The invites to a portal, and what becomes of those who redeem them.
package struct MemberInvites: Sendable {
    let store: KeyringStore

    /// Makes an invite, of which only the public half is kept; the caller prints the code.
    ///
    /// - Parameters:
    ///   - label: whom it is for; who comes by it is listed so.
    ///   - uses: how many may come by it, from 1 to ``InviteDraft/useLimit``.
    ///   - expiry: when it ends, in Unix seconds; `nil` for never.
    ///   - seed: fresh and random.
    ///   - now: Unix seconds.
    /// - Returns: what is kept of it.
    /// - Throws: ``KeyringError``.
    package func create(
        label: String, uses: Int, expiry: UInt64?, seed: borrowing SecretKey, now: UInt64
    ) throws(KeyringError) -> InviteRecord {
        let draft = InviteDraft(label: label, uses: uses, expiry: expiry)
        try draft.check(now: now)
        let key: InviteKey
        do throws(SodiumError) {
            key = InviteKey(try Identity(seed: seed).publicKey)
        } catch {
            throw .outOfGuardedMemory
        }
        return try store.change { (transaction, change) throws(KeyringError) in
            try InviteTable<MemberInviteKind>.add(draft, key, &transaction, &change, now: now)
        }
    }

    /// Every invite that is open, or was within the last 30 days, the newest first.
    package func all() throws(KeyringError) -> [InviteRecord] {
        let invites = try store.read { (transaction) throws(KeyringError) in
            try InviteTable<MemberInviteKind>.all(transaction)
        }
        return invites.sorted { $0.createdAt > $1.createdAt }
    }

    /// Takes an invite back; who came by it stays a member.
    ///
    /// - Returns: whether it was open.
    @discardableResult
    package func revoke(_ key: InviteKey, now: UInt64) throws(KeyringError) -> Bool {
        try store.change { (transaction, change) throws(KeyringError) in
            guard try InviteTable<MemberInviteKind>.close(key, &transaction, now: now) else { return false }
            change.mark()
            return true
        }
    }

    /// Makes somebody a member by an invite, in one transaction; see ``redeem(_:now:)``.
    package func redeem(
        _ invite: InviteKey, by feed: PublicKey, now: UInt64
    ) throws(KeyringError) -> Redemption {
        try redeem([MemberRequest(invite: invite, feed: feed)], now: now)[0]
    }

    /// Makes those members who redeem invites at once, all in one transaction.
    ///
    /// Who came by the very same invite before costs no use; who is a member already and comes by another costs one, and
    /// is recorded with it.
    ///
    /// - Returns: what became of each, in their order.
    package func redeem(_ requests: [MemberRequest], now: UInt64) throws(KeyringError) -> [Redemption] {
        try store.change { (transaction, change) throws(KeyringError) in
            var outcomes: [Redemption] = []
            for request in requests {
                outcomes.append(try Self.redeem(request, &transaction, &change, now: now))
            }
            return outcomes
        }
    }

    private static func redeem(
        _ request: MemberRequest, _ transaction: inout KeyringWriting, _ change: inout Change, now: UInt64
    ) throws(KeyringError) -> Redemption {
        let (key, feed) = (request.invite, request.feed)
        guard try transaction.record(StoredDenial.self, feed) == nil else { return .refused(.removed) }
        var record = try transaction.record(StoredMember.self, feed) ?? StoredMember(nil, removedAt: nil)
        if let known = record.membership, known.uses.contains(key) { return .admitted(isFresh: false) }
        guard let stored = try transaction.record(MemberInvite.self, key.publicKey) else {
            return .refused(.revoked)
        }
        if let refusal = stored.refusal(removedAt: record.removedAt, now: now) { return .refused(refusal) }
        let isFresh = record.membership == nil
        var membership =
            record.membership ?? .init(label: stored.label, since: now, invite: key, uses: InviteUses())
        try InviteTable<MemberInviteKind>.use(stored, key, by: &membership.uses, &transaction, now: now)
        record.membership = membership
        try transaction.put(record, feed)
        change.mark()
        return .admitted(isFresh: isFresh)
    }

    /// Closes every open invite that admitted somebody, or may have.
    ///
    /// - Returns: those, as they were before, each with the other members who came by it.
    static func close(
        whatAdmitted uses: InviteUses, _ transaction: inout KeyringWriting, now: UInt64
    ) throws(KeyringError) -> [ClosedMemberInvite] {
        let members = try transaction.records(StoredMember.self).compactMap { $0.record.member($0.key) }
        let closed = try InviteTable<MemberInviteKind>.close(whatAdmitted: uses, &transaction, now: now)
        return closed.filter { $0.invite.closing == nil }.map { closed in
            ClosedMemberInvite(
                invite: closed.invite, others: members.filter { $0.uses.contains(closed.invite.key) })
        }
    }
}

/// Somebody who redeems an invite to a portal.
package struct MemberRequest: Hashable, Sendable {
    /// The invite, whose key pair was shown.
    package let invite: InviteKey
    /// Who becomes a member.
    package let feed: PublicKey

    /// Puts the two together.
    package init(invite: InviteKey, feed: PublicKey) {
        self.invite = invite
        self.feed = feed
    }
}

/// An invite to a portal that was closed because of somebody who came by it, or may have.
package struct ClosedMemberInvite: Hashable, Sendable {
    /// As it was before.
    package let invite: InviteRecord
    /// The other members who came by it, as far as that was recorded.
    package let others: [Member]
}
