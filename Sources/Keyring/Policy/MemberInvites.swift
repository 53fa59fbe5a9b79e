package import Blinding
internal import LMDB
package import TypedSodium

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
    package func createMemberInvite(
        label: String, uses: Int, expiry: UInt64?, seed: borrowing SecretKey, now: UInt64
    ) throws(KeyringError) -> MemberInvite {
        try InviteDraft(label: label, uses: uses, expiry: expiry).check(now: now)
        let key: InviteKey
        do throws(SodiumError) {
            key = InviteKey(try Identity(seed: seed).publicKey)
        } catch {
            throw .outOfGuardedMemory
        }
        return try store.change { (transaction, change) throws(KeyringError) in
            guard try transaction.record(StoredMemberInvite.self, key.publicKey) == nil else {
                throw .seedUsed
            }
            let invite = StoredMemberInvite(
                label: label, uses: uses, expiry: expiry, now: now, sequence: change.sequence)
            try transaction.put(invite, key.publicKey)
            change.mark()
            return invite.invite(key)
        }
    }

    /// Every invite to this portal that is open, or was within the last 30 days, the newest first.
    package func memberInvites() throws(KeyringError) -> [MemberInvite] {
        let invites = try store.read { (transaction) throws(KeyringError) in
            try transaction.records(StoredMemberInvite.self)
        }
        return invites.map { $0.record.invite(InviteKey($0.key)) }.sorted { $0.createdAt > $1.createdAt }
    }

    /// Takes an invite to this portal back; who came by it stays a member.
    ///
    /// - Returns: whether it was open.
    @discardableResult
    package func revokeMemberInvite(_ key: InviteKey, now: UInt64) throws(KeyringError) -> Bool {
        try store.change { (transaction, change) throws(KeyringError) in
            guard try transaction.closeMemberInvite(key, now: now) else { return false }
            change.mark()
            return true
        }
    }

    /// Makes somebody a member by an invite, in one transaction; see ``redeemMembers(_:now:)``.
    package func redeemMember(
        _ invite: InviteKey, by feed: PublicKey, now: UInt64
    ) throws(KeyringError) -> MemberRedemption {
        try redeemMembers([MemberRequest(invite: invite, feed: feed)], now: now)[0]
    }

    /// Makes those members who redeem invites at once, all in one transaction.
    ///
    /// Who came by the very same invite before costs no use; who is a member already and comes by another costs one, and
    /// is recorded with it.
    ///
    /// - Returns: what became of each, in their order.
    package func redeemMembers(
        _ requests: [MemberRequest], now: UInt64
    ) throws(KeyringError) -> [MemberRedemption] {
        try store.change { (transaction, change) throws(KeyringError) in
            var outcomes: [MemberRedemption] = []
            for request in requests {
                outcomes.append(try transaction.redeemMember(request, &change, now: now))
            }
            return outcomes
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

/// A member who was removed, and what became of the invites that admitted it.
package struct MemberRemoval: Hashable, Sendable {
    /// What was known about it.
    package let member: Member
    /// The invites that were open, as they were before, each with the other members who came by it.
    package let invites: [ClosedMemberInvite]
}

/// An invite to a portal that was closed because of somebody who came by it, or may have.
package struct ClosedMemberInvite: Hashable, Sendable {
    /// As it was before.
    package let invite: MemberInvite
    /// The other members who came by it, as far as that was recorded.
    package let others: [Member]
}

extension Transaction where Access == Writing {
    fileprivate mutating func redeemMember(
        _ request: MemberRequest, _ change: inout Change, now: UInt64
    ) throws(KeyringError) -> MemberRedemption {
        let (key, feed) = (request.invite.publicKey, request.feed)
        guard try record(StoredDenial.self, feed) == nil else { return .refused(.removed) }
        var record = try record(StoredMember.self, feed) ?? StoredMember(nil, removedAt: nil)
        if let known = record.membership, known.uses.contains(request.invite) {
            return .admitted(isFresh: false)
        }
        guard var stored = try self.record(StoredMemberInvite.self, key) else { return .refused(.revoked) }
        if let removedAt = record.removedAt, removedAt > stored.sequence { return .refused(.removed) }
        if let closing = stored.closing { return .refused(RedeemRefusal(closing.reason)) }
        if let expiry = stored.expiry, now >= expiry { return .refused(.expired) }
        let isFresh = record.membership == nil
        var membership =
            record.membership
            ?? .init(label: stored.label, since: now, invite: request.invite, uses: InviteUses())
        try membership.uses.add(request.invite, at: now) { (invite) throws(KeyringError) in
            try self.record(StoredMemberInvite.self, invite.publicKey) != nil
        }
        record.membership = membership
        stored.usesLeft -= 1
        if stored.usesLeft == 0 { stored.closing = Closing(reason: .usedUp, at: now) }
        try put(stored, key)
        try put(record, feed)
        change.mark()
        return .admitted(isFresh: isFresh)
    }

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

    /// Closes every open invite that admitted somebody, or may have.
    mutating func closeMemberInvites(
        of uses: InviteUses, now: UInt64
    ) throws(KeyringError) -> [ClosedMemberInvite] {
        let unrecorded = uses.isComplete ? nil : try number(.unrecorded) ?? 0
        let members = try records(StoredMember.self).compactMap { $0.record.member($0.key) }
        var closed: [ClosedMemberInvite] = []
        for (key, invite) in try records(StoredMemberInvite.self) {
            let key = InviteKey(key)
            guard uses.contains(key) || unrecorded.map({ invite.sequence <= $0 }) == true else { continue }
            let former = invite.invite(key)
            guard try closeMemberInvite(key, now: now) else { continue }
            closed.append(
                ClosedMemberInvite(invite: former, others: members.filter { $0.uses.contains(key) }))
        }
        return closed
    }
}
