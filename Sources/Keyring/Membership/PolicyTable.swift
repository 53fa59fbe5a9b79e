internal import Blinding
internal import LMDB
internal import TypedSodium

/// A portal's policy, members, invites and denials within a transaction: what each change comes to.
///
/// The same changes in the same order come to the same on every machine that has the same records: no clock is read, and
/// nothing else of the keyring matters but the order of its sequence numbers.
enum PolicyTable {
    /// Makes a change at a time in Unix seconds.
    ///
    /// - Throws: ``KeyringError`` for what is wrong with the keyring; with the change nothing is, it comes to
    ///   ``PolicyOutcome/refused(_:)``.
    static func make(
        _ wanted: PolicyChange, at now: UInt64, _ transaction: inout KeyringWriting, _ change: inout Change
    ) throws(KeyringError) -> PolicyOutcome {
        do throws(KeyringError) {
            return try attempt(wanted, at: now, &transaction, &change)
        } catch {
            switch error {
            case .seedUsed, .tooManyEntries, .badUseCount, .labelTooLong: return .refused(error)
            default: throw error
            }
        }
    }

    private static func attempt(
        _ wanted: PolicyChange, at now: UInt64, _ transaction: inout KeyringWriting, _ change: inout Change
    ) throws(KeyringError) -> PolicyOutcome {
        switch wanted {
        case .audiences(let announcers, let callers):
            return try set(announcers, callers, &transaction, &change)
        case .member(let key, let label): return try add(key, label, now, &transaction, &change)
        case .removal(let key): return try remove(key, now, &transaction, &change)
        case .denial(let key): return try deny(key, now, &transaction, &change)
        case .allowance(let key):
            guard try transaction.drop(StoredDenial.self, key) else { return .unchanged }
        case .invite(let key, let label, let uses, let expiry):
            let draft = InviteDraft(label: label, uses: uses, expiry: expiry)
            _ = try InviteTable<MemberInviteKind>.add(draft, key, &transaction, &change, now: now)
        case .revocation(let key):
            guard try InviteTable<MemberInviteKind>.close(key, &transaction, now: now) else {
                return .unchanged
            }
        case .redemption(let request):
            return .redemption(try redeem(request, now, &transaction, &change))
        case .imported(let part): try part.apply(&transaction, &change)
        }
        change.mark()
        return .made
    }

    private static func set(
        _ announcers: Audience?, _ callers: Audience?, _ transaction: inout KeyringWriting,
        _ change: inout Change
    ) throws(KeyringError) -> PolicyOutcome {
        let former = try Membership.policy(transaction)
        var policy = former
        if let announcers { policy.announcers = announcers }
        if let callers { policy.callers = callers }
        guard policy != former else { return .made }
        try transaction.put(StoredPolicy(policy), StoredPolicy.key)
        change.mark()
        return .made
    }

    private static func add(
        _ key: PublicKey, _ label: String, _ now: UInt64, _ transaction: inout KeyringWriting,
        _ change: inout Change
    ) throws(KeyringError) -> PolicyOutcome {
        guard label.utf8.count <= InviteDraft.labelByteCountLimit else {
            throw .labelTooLong(label.utf8.count)
        }
        var record = try transaction.record(StoredMember.self, key) ?? StoredMember(nil, removedAt: nil)
        guard record.membership?.label != label else { return .made }
        if record.membership == nil {
            record.membership = .init(label: label, since: now, invite: nil, uses: InviteUses())
        }
        record.membership?.label = label
        try transaction.put(record, key)
        change.mark()
        return .made
    }

    private static func remove(
        _ key: PublicKey, _ now: UInt64, _ transaction: inout KeyringWriting, _ change: inout Change
    ) throws(KeyringError) -> PolicyOutcome {
        guard let record = try transaction.record(StoredMember.self, key), let member = record.member(key)
        else { return .unchanged }
        // The label tells who it was, and nobody needs that any more.
        try transaction.put(StoredMember(nil, removedAt: change.sequence), key)
        change.mark()
        return .removed(
            MemberRemoval(
                member: member,
                invites: try MemberInvites.close(whatAdmitted: member.uses, &transaction, now: now)))
    }

    /// The invites that admitted it are closed too, or it would come back under another key.
    private static func deny(
        _ key: PublicKey, _ now: UInt64, _ transaction: inout KeyringWriting, _ change: inout Change
    ) throws(KeyringError) -> PolicyOutcome {
        let urgent = try StoredUrgency.all(transaction)
        if urgent.contains(where: { $0.key == key }) {
            try StoredUrgency.put(urgent.filter { $0.key != key }, &transaction)
            change.mark()
        }
        guard try transaction.record(StoredDenial.self, key) == nil else { return .made }
        try transaction.put(StoredDenial(since: now), key)
        if let membership = try transaction.record(StoredMember.self, key)?.membership {
            _ = try MemberInvites.close(whatAdmitted: membership.uses, &transaction, now: now)
        }
        change.mark()
        return .made
    }

    // MARK: Redeeming

    /// Makes somebody a member by an invite, or says why not.
    ///
    /// Who came by the very same invite before costs no use; who is a member already and comes by another costs one,
    /// and is recorded with it.
    private static func redeem(
        _ request: MemberRequest, _ now: UInt64, _ transaction: inout KeyringWriting, _ change: inout Change
    ) throws(KeyringError) -> Redemption {
        if let outcome = try foresee(request, at: now, transaction) { return outcome }
        let (key, feed) = (request.invite, request.feed)
        guard let stored = try transaction.record(MemberInvite.self, key.publicKey) else {
            return .refused(.revoked)
        }
        var record = try transaction.record(StoredMember.self, feed) ?? StoredMember(nil, removedAt: nil)
        let isFresh = record.membership == nil
        var membership =
            record.membership ?? .init(label: stored.label, since: now, invite: key, uses: InviteUses())
        try InviteTable<MemberInviteKind>.use(stored, key, by: &membership.uses, &transaction, now: now)
        record.membership = membership
        try transaction.put(record, feed)
        change.mark()
        return .admitted(isFresh: isFresh)
    }

    /// What comes of a redemption that changes nothing; `nil` for one that admits.
    static func foresee<Access>(
        _ request: MemberRequest, at now: UInt64, _ transaction: borrowing KeyringTransaction<Access>
    ) throws(KeyringError) -> Redemption? {
        let (key, feed) = (request.invite, request.feed)
        guard try transaction.record(StoredDenial.self, feed) == nil else { return .refused(.removed) }
        let record = try transaction.record(StoredMember.self, feed)
        if record?.membership?.uses.contains(key) == true { return .admitted(isFresh: false) }
        guard let stored = try transaction.record(MemberInvite.self, key.publicKey) else {
            return .refused(.revoked)
        }
        return stored.refusal(removedAt: record?.removedAt, now: now).map { .refused($0) }
    }
}
