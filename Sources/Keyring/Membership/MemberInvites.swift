package import Blinding
internal import LMDB
package import TypedSodium

/// The invites to a portal, and what becomes of those who redeem them.
package struct MemberInvites: Sendable {
    let store: KeyringStore

    private var membership: Membership { Membership(store: store) }

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
        let wanted = try Self.draft(label: label, uses: uses, expiry: expiry, seed: seed, now: now)
        try membership.make(wanted.change, now: now)
        guard let made = try all().first(where: { $0.key == wanted.key }) else {
            throw .inconsistent("an invite is not where it was put")
        }
        return made
    }

    /// The change that makes an invite, and its key.
    ///
    /// - Throws: ``KeyringError`` for an invite that there cannot be.
    package static func draft(
        label: String, uses: Int, expiry: UInt64?, seed: borrowing SecretKey, now: UInt64
    ) throws(KeyringError) -> (change: PolicyChange, key: InviteKey) {
        try InviteDraft(label: label, uses: uses, expiry: expiry).check(now: now)
        let key: InviteKey
        do throws(SodiumError) {
            key = InviteKey(try Identity(seed: seed).publicKey)
        } catch {
            throw .outOfGuardedMemory
        }
        return (.invite(key, label: label, uses: uses, expiry: expiry), key)
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
        try membership.make(.revocation(key), now: now) == .made
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
        var redemptions: [Redemption] = []
        for outcome in try membership.make(requests.map { .redemption($0) }, now: now) {
            switch outcome {
            case .redemption(let redemption): redemptions.append(redemption)
            case .refused(let error): throw error
            default: throw .inconsistent("a redemption came to something else")
            }
        }
        return redemptions
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
