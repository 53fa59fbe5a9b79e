internal import Blinding
internal import LMDB
internal import TypedSodium

/// The invites of one kind within a transaction.
enum InviteTable<Kind: InviteKind> {
    typealias Invite = StoredInvite<Kind>

    /// How long a closed invite is still announced, in seconds, so that its holder can be told.
    private static var announcedSeconds: UInt64 { 7 * 86_400 }
    /// How long a closed invite is remembered, in seconds.
    private static var rememberedSeconds: UInt64 { 30 * 86_400 }

    /// Every invite, in no order.
    static func all(_ transaction: borrowing KeyringReading) throws(KeyringError) -> [InviteRecord] {
        try transaction.records(Invite.self).map { $0.record.invite(InviteKey($0.key)) }
    }

    /// Stores an invite under its key.
    ///
    /// - Throws: ``KeyringError/seedUsed`` among others.
    static func add(
        _ draft: InviteDraft, _ key: InviteKey, _ transaction: inout KeyringWriting,
        _ change: inout Change, now: UInt64
    ) throws(KeyringError) -> InviteRecord {
        guard try transaction.record(Invite.self, key.publicKey) == nil else { throw .seedUsed }
        let invite = try Invite(draft, now: now, sequence: change.sequence)
        try transaction.put(invite, key.publicKey)
        change.mark()
        return invite.invite(key)
    }

    /// Counts an invite down for somebody whom it admits, and notes it with them.
    static func use(
        _ invite: Invite, _ key: InviteKey, by uses: inout InviteUses,
        _ transaction: inout KeyringWriting, now: UInt64
    ) throws(KeyringError) {
        try uses.add(key, at: now) { (invite) throws(KeyringError) in
            try transaction.record(Invite.self, invite.publicKey) != nil
        }
        var invite = invite
        invite.countDown(now: now)
        try transaction.put(invite, key.publicKey)
    }

    /// Whether each invite has counted down a use for everybody whom it admitted.
    static func haveCounted<Access>(
        _ uses: [InviteUse], _ transaction: borrowing KeyringTransaction<Access>
    ) throws(KeyringError) -> Bool {
        let counts = uses.reduce(into: [PublicKey: Int]()) { $0[$1.invite.publicKey, default: 0] += 1 }
        var haveCounted = true
        try transaction.forEach(Invite.self) { (key, invite) throws(KeyringError) in
            haveCounted = counts[key, default: 0] <= Int(invite.uses) - Int(invite.usesLeft)
            return haveCounted ? .next : .stop
        }
        return haveCounted
    }

    // MARK: Closing

    /// Closes an invite that is open.
    ///
    /// - Returns: whether it was.
    @discardableResult
    static func close(
        _ key: InviteKey, _ transaction: inout KeyringWriting, now: UInt64
    ) throws(KeyringError) -> Bool {
        guard var invite = try transaction.record(Invite.self, key.publicKey),
            invite.close(.revoked, now: now)
        else { return false }
        try transaction.put(invite, key.publicKey)
        return true
    }

    /// Closes every open invite.
    ///
    /// - Returns: how many there were.
    static func closeAll(_ transaction: inout KeyringWriting, now: UInt64) throws(KeyringError) -> Int {
        var count = 0
        for (key, _) in try transaction.records(Invite.self)
        where try close(InviteKey(key), &transaction, now: now) { count += 1 }
        return count
    }

    /// Closes every open invite that admitted somebody, or may have.
    ///
    /// - Returns: each, as it was before, and whether it is known that it admitted them; also those that did and were
    ///   closed before.
    static func close(
        whatAdmitted uses: InviteUses, _ transaction: inout KeyringWriting, now: UInt64
    ) throws(KeyringError) -> [(invite: InviteRecord, isRecorded: Bool)] {
        let unrecorded = uses.isComplete ? nil : try unrecorded(transaction)
        var found: [(invite: InviteRecord, isRecorded: Bool)] = []
        for (key, invite) in try transaction.records(Invite.self) {
            let key = InviteKey(key)
            let isRecorded = uses.contains(key)
            // Of one that was closed before and may not even have been theirs there is nothing to say.
            let isSuspect = invite.closing == nil && unrecorded.map { invite.sequence <= $0 } == true
            guard isRecorded || isSuspect else { continue }
            try close(key, &transaction, now: now)
            found.append((invite.invite(key), isRecorded))
        }
        return found
    }

    /// Up to which sequence number an invite may have admitted anybody of whom only the first invite is known.
    static func unrecorded<Access>(
        _ transaction: borrowing KeyringTransaction<Access>
    ) throws(KeyringError) -> UInt64 {
        if Kind.table == MemberInviteKind.table, let number = try transaction.number(.unrecordedMembers) {
            return number
        }
        return try transaction.number(.unrecorded) ?? 0
    }

    // MARK: Time

    /// Closes invites that have expired, and lets those go that were closed long ago.
    static func tidy(
        _ transaction: inout KeyringWriting, _ change: inout Change, now: UInt64
    ) throws(KeyringError) {
        for (key, invite) in try transaction.records(Invite.self) {
            var invite = invite
            if let expiry = invite.expiry, expiry <= now, invite.close(.expired, now: now) {
                try transaction.put(invite, key)
                change.mark()
            }
            guard let closing = invite.closing else { continue }
            if invite.isEntry, closing.isOver(announcedSeconds, at: now) {
                invite.leaveEntries()
                try transaction.put(invite, key)
                try Ghost.add(1, &transaction, change)
                change.mark()
            }
            if closing.isOver(rememberedSeconds, at: now) {
                try transaction.drop(Invite.self, key)
                change.mark()
            }
        }
    }
}
