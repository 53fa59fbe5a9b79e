internal import Blinding
internal import LMDB
internal import TypedSodium

/// What is done to a keyring that was a copy or has lost its vault.
enum Restore {
    static func run(
        _ transaction: inout WriteTransaction, _ change: inout Change, owner: EndpointKey,
        version: UInt32, after generation: UInt64 = 0, keeping keep: (Friend) -> Bool, now: UInt64
    ) throws(KeyringError) -> RestoreReport {
        guard let found = try transaction.owner() else { throw .inconsistent("it has no owner") }
        guard found == owner.publicKey else { throw .otherOwner(found, expected: owner.publicKey) }
        change.goOnWithoutVault()
        // With the ghosts whose pairs are lost: nobody else has them, so others do as well.
        try Migration.run(&transaction, change, from: version)
        var report = RestoreReport()
        try dropLostKeys(&transaction, change, owner: owner, &report)
        try dropLostJoins(&transaction, change, &report)
        try revokeInvites(&transaction, now: now, &report)
        for friend in try transaction.friends().sorted(by: { $0.name < $1.name }) {
            if keep(friend) {
                report.kept.append(friend)
            } else {
                try remove(friend, &transaction, change)
                report.removed.append(friend)
            }
        }
        try OwnCircle.startGeneration(&transaction, &change, owner: owner, after: generation, now: now)
        try transaction.clear(.copy)
        // Counted again when it is needed.
        try transaction.clear(.entries)
        try transaction.set(.opened, to: now)
        return report
    }

    /// Chain keys that the vault does not open are asked for again.
    private static func dropLostKeys(
        _ transaction: inout WriteTransaction, _ change: borrowing Change, owner: EndpointKey,
        _ report: inout RestoreReport
    ) throws(KeyringError) {
        for (key, circle) in try transaction.records(CircleRecord.self) where !change.opens(circle.sealed) {
            // The owner's is replaced anyway, by a later generation.
            guard key != owner.publicKey else { continue }
            try transaction.drop(CircleRecord.self, key)
            report.lostKeyCount += 1
        }
    }

    /// Invites whose seed the vault does not open cannot be redeemed.
    private static func dropLostJoins(
        _ transaction: inout WriteTransaction, _ change: borrowing Change, _ report: inout RestoreReport
    ) throws(KeyringError) {
        for (key, pending) in try transaction.records(PendingRecord.self)
        where !change.opens(pending.sealed) {
            guard let friend = try transaction.abandonJoin(key, change) else { continue }
            report.lostJoins.append(friend)
        }
    }

    /// Whoever has one may have redeemed it at the original.
    private static func revokeInvites(
        _ transaction: inout WriteTransaction, now: UInt64, _ report: inout RestoreReport
    ) throws(KeyringError) {
        for (key, _) in try transaction.records(StoredInvite.self)
        where try transaction.close(InviteKey(key), .revoked, now: now) {
            report.revokedInviteCount += 1
        }
        for (key, _) in try transaction.records(StoredMemberInvite.self)
        where try transaction.closeMemberInvite(InviteKey(key), now: now) {
            report.revokedInviteCount += 1
        }
    }

    private static func remove(
        _ friend: Friend, _ transaction: inout WriteTransaction, _ change: borrowing Change
    ) throws(KeyringError) {
        guard let record = try transaction.record(FriendRecord.self, friend.key) else { return }
        _ = try transaction.forget(friend.key, record, change)
        try transaction.put(TombstoneRecord(sequence: change.sequence), friend.key)
    }
}
