package import Blinding
internal import LMDB
internal import TypedSodium

/// What a restore did.
package struct RestoreReport: Hashable, Sendable {
    /// The friends that were kept, by name.
    package internal(set) var kept: [Friend] = []
    /// Those that were not, by name.
    package internal(set) var removed: [Friend] = []
    /// How many invites were open and are revoked now.
    package internal(set) var revokedInviteCount = 0
    /// How many friends' circles have to be asked for again, because the vault did not open their keys.
    package internal(set) var lostKeyCount = 0
    /// Those whose invites were accepted and can no longer be redeemed, by name.
    package internal(set) var lostJoins: [Friend] = []
}

/// Makes a keyring usable again that was a copy, is lost, or has lost its vault.
package enum Restore {
    /// Makes a keyring usable again, from a backup, or in place where the vault is lost or the keyring is a copy.
    ///
    /// What a backup does not know may have happened since: so a new generation of the circle begins, all invites
    /// are revoked, and the owner confirms every friend. All of it is one transaction; where there is a keyring
    /// already, it is replaced as a whole. No node may serve from the folder meanwhile.
    ///
    /// - Parameters:
    ///   - path: the backup; `nil` for the keyring that is in the folder.
    ///   - folder: the home folder.
    ///   - owner: whose keyring it must be.
    ///   - keep: whether a friend is still one; those who are not are removed.
    ///   - names: names and ids that have to be friends': whom a misspelt one meant would be removed.
    ///   - now: Unix seconds.
    /// - Returns: what was done.
    /// - Throws: ``KeyringError``; then everything is as it was.
    package static func run(
        from path: String?, into folder: String, owner: EndpointKey, keeping keep: (Friend) -> Bool,
        naming names: [String] = [], now: UInt64
    ) throws(KeyringError) -> RestoreReport {
        let opening = Keyring.Opening(folder: folder, owner: owner)
        return try run(from: path, opening, keeping: keep, naming: names, now: now)
    }

    package static func run(
        from path: String?, _ opening: Keyring.Opening, keeping keep: (Friend) -> Bool,
        naming names: [String] = [],
        now: UInt64
    ) throws(KeyringError) -> RestoreReport {
        let lock = try ServingLock(folder: opening.folder)
        let report = try runUnderLock(from: path, opening, keeping: keep, naming: names, now: now)
        _ = consume lock
        return report
    }

    private static func runUnderLock(
        from path: String?, _ opening: Keyring.Opening, keeping keep: (Friend) -> Bool,
        naming names: [String],
        now: UInt64
    ) throws(KeyringError) -> RestoreReport {
        guard let path else {
            let store = try KeyringStore(
                folder: opening.folder, absence: .fails, observe: opening.observe)
            return try store.change(copies: true) { (transaction, change) throws(KeyringError) in
                try FriendTable.confirm(named: names, transaction)
                return try repair(
                    &transaction, &change, owner: opening.owner, version: try transaction.version(),
                    keeping: keep, now: now)
            }
        }
        // The backup itself is only read: it may stand where nothing can be written.
        let source = try BackupSource(copying: path, into: opening.folder)
        try source.check(owner: opening.owner, friends: names)
        let store = try KeyringStore(folder: opening.folder, absence: .creates, observe: opening.observe)
        return try store.change(copies: true) { (transaction, change) throws(KeyringError) in
            if let found = try transaction.owner(), found != opening.owner.publicKey {
                throw .otherOwner(found, expected: opening.owner.publicKey)
            }
            let replaced = try transaction.record(CircleRecord.self, opening.owner.publicKey)?.generation
            try source.replace(&transaction)
            // So that nobody takes what was restored for what was there.
            change.goOn(after: try transaction.number(.sequence) ?? 0)
            if let recorded = try transaction.number(.vault) { try change.takeKey(of: recorded) }
            return try repair(
                &transaction, &change, owner: opening.owner, version: try source.version(),
                after: replaced ?? 0, keeping: keep, now: now)
        }
    }

    // MARK: Steps

    private static func repair(
        _ transaction: inout KeyringWriting, _ change: inout Change, owner: EndpointKey,
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
        // Whoever has an invite may have redeemed it at the original.
        report.revokedInviteCount =
            try InviteTable<FriendInviteKind>.closeAll(&transaction, now: now)
            + InviteTable<MemberInviteKind>.closeAll(&transaction, now: now)
        // So it follows from the log of a cluster no more.
        if try MembershipLog.place(transaction) != nil { try transaction.set(.alone, to: 2) }
        for friend in try FriendTable.friends(transaction).sorted(by: { $0.name < $1.name }) {
            if keep(friend) {
                report.kept.append(friend)
            } else {
                try remove(friend, &transaction, change)
                report.removed.append(friend)
            }
        }
        try CircleTable.startGeneration(
            of: owner, &transaction, &change, after: generation, now: now)
        try transaction.clear(.copy)
        // Counted again when it is needed.
        try transaction.clear(.entries)
        try transaction.set(.opened, to: now)
        return report
    }

    /// Chain keys that the vault does not open are asked for again.
    private static func dropLostKeys(
        _ transaction: inout KeyringWriting, _ change: borrowing Change, owner: EndpointKey,
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
        _ transaction: inout KeyringWriting, _ change: borrowing Change, _ report: inout RestoreReport
    ) throws(KeyringError) {
        for (key, pending) in try transaction.records(PendingRecord.self)
        where !change.opens(pending.sealed) {
            guard let friend = try Joins.abandon(key, &transaction, change) else { continue }
            report.lostJoins.append(friend)
        }
    }

    private static func remove(
        _ friend: Friend, _ transaction: inout KeyringWriting, _ change: borrowing Change
    ) throws(KeyringError) {
        guard let record = try transaction.record(FriendRecord.self, friend.key) else { return }
        _ = try FriendTable.forget(friend.key, record, &transaction, change)
        try transaction.put(TombstoneRecord(sequence: change.sequence), friend.key)
    }
}
