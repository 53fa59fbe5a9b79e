internal import Blinding
internal import LMDB
package import TypedSodium

/// What a look at all of a healthy keyring found.
package struct KeyringReport: Hashable, Sendable {
    /// Whether the vault opens the keyring's secrets.
    package enum Vault: Hashable, Sendable {
        /// It does.
        case matching
        /// It does not; the keyring can be restored in place.
        case lost
    }

    /// Whose keyring it is.
    package let owner: PublicKey
    /// When the copy was made, in Unix seconds; `nil` for an original.
    package let copiedAt: UInt64?
    /// Its sequence number.
    package let sequence: UInt64
    /// Whether the vault opens its secrets.
    package let vault: Vault
    /// How many friends there are.
    package let friendCount: Int
    /// How many invites there are, open ones and those that are remembered.
    package let inviteCount: Int
    /// How many entries there are, ghosts among them.
    package let entryCount: Int
}

/// Looks at whether the records of a keyring are all of them ones, and agree with each other.
package enum KeyringCheck {
    /// Looks at every page, value and record of a keyring that nobody in this process has open, without using it.
    ///
    /// What damages the file underneath the look can end the process, so a command runs it in a child and reports
    /// the child's signal.
    ///
    /// - Throws: ``KeyringError``, with what is wrong.
    package static func run(folder: String) throws(KeyringError) -> KeyringReport {
        _ = try KeyringError.storing { () throws(LMDBError) in
            try EnvironmentCheck.walk("\(folder)/\(KeyringStore.fileName)")
        }
        let store = try KeyringStore(folder: folder, absence: .fails, access: .readOnly)
        return try store.read { (transaction) throws(KeyringError) in
            try report(transaction, store.vault)
        }
    }

    static func report(
        _ transaction: borrowing KeyringReading, _ vault: VaultFile
    ) throws(KeyringError) -> KeyringReport {
        let (owner, entryCount) = try verify(transaction)
        return KeyringReport(
            owner: owner, copiedAt: try transaction.number(.copy),
            sequence: try transaction.number(.sequence) ?? 0,
            vault: try opensEverything(transaction, vault) ? .matching : .lost,
            friendCount: try transaction.recordCount(FriendRecord.table),
            inviteCount: try transaction.recordCount(FriendInvite.table), entryCount: entryCount)
    }

    /// Looks at whether the records of a state agree with each other; their secrets are not opened.
    ///
    /// - Returns: whose keyring it is, and how many entries it has.
    static func verify<Access>(
        _ transaction: borrowing KeyringTransaction<Access>
    ) throws(KeyringError) -> (owner: PublicKey, entryCount: Int) {
        guard let owner = try transaction.owner() else { throw .inconsistent("it has no owner") }
        let entryCount = try countEntries(transaction)
        guard entryCount >= Ghost.step, entryCount % Ghost.step == 0 else {
            throw .inconsistent("it has \(entryCount) entries, no multiple of \(Ghost.step)")
        }
        if let written = try transaction.number(.entries), written != entryCount {
            throw .inconsistent("it has \(entryCount) entries, and not the \(written) that it says")
        }
        try checkNames(transaction)
        try checkUses(transaction)
        try checkBelonging(transaction, owner: owner)
        try checkPolicy(transaction)
        return (owner, entryCount)
    }

    private static func countEntries<Access>(_ transaction: borrowing KeyringTransaction<Access>)
        throws(KeyringError) -> Int
    {
        try Ghost.countOthers(transaction) + Ghost.count(transaction)
    }

    /// Everybody has a name, and every name is somebody's.
    private static func checkNames<Access>(_ transaction: borrowing KeyringTransaction<Access>)
        throws(KeyringError)
    {
        let friendCount = try transaction.recordCount(FriendRecord.table)
        guard try transaction.recordCount(NameRecord.table) == friendCount else {
            throw .inconsistent("it has names of nobody")
        }
        try transaction.forEach(FriendRecord.self) { (key, friend) throws(KeyringError) in
            let named = try transaction.record(NameRecord.self, Array(friend.name.utf8))
            guard named?.key == key else { throw .inconsistent("somebody's name is another's") }
            guard friend.admission != nil || friend.reach != nil else {
                throw .inconsistent("somebody is there for nothing")
            }
            return .next
        }
    }

    /// Every invite has counted down a use for each whom it admitted.
    private static func checkUses<Access>(_ transaction: borrowing KeyringTransaction<Access>)
        throws(KeyringError)
    {
        var uses: [InviteUse] = []
        try transaction.forEach(FriendRecord.self) { (_, friend) throws(KeyringError) in
            uses += friend.admission?.uses.list ?? []
            return .next
        }
        guard try InviteTable<FriendInviteKind>.haveCounted(uses, transaction) else {
            throw .inconsistent("an invite admitted more than it has counted")
        }
        uses = []
        try transaction.forEach(StoredMember.self) { (_, member) throws(KeyringError) in
            uses += member.membership?.uses.list ?? []
            return .next
        }
        guard try InviteTable<MemberInviteKind>.haveCounted(uses, transaction) else {
            throw .inconsistent("an invite to the portal admitted more than it has counted")
        }
    }

    /// What stands under a friend's key is a friend's.
    private static func checkBelonging<Access>(
        _ transaction: borrowing KeyringTransaction<Access>, owner: PublicKey
    ) throws(KeyringError) {
        guard try transaction.record(CircleRecord.self, owner) != nil else {
            throw .inconsistent("it has no circle")
        }
        try transaction.forEach(CircleRecord.self) { (key, _) throws(KeyringError) in
            if key == owner { return .next }
            guard try transaction.record(FriendRecord.self, key)?.reach != nil else {
                throw .inconsistent("it has a stranger's circle")
            }
            return .next
        }
        try transaction.forEach(PendingRecord.self) { (key, _) throws(KeyringError) in
            guard try transaction.record(FriendRecord.self, key)?.reach?.isPending == true else {
                throw .inconsistent("it has a stranger's invite")
            }
            return .next
        }
        try transaction.forEach(SeenRecord.self) { (key, _) throws(KeyringError) in
            guard try transaction.record(FriendRecord.self, key) != nil else {
                throw .inconsistent("it has seen a stranger")
            }
            return .next
        }
        try transaction.forEach(TombstoneRecord.self) { (_, _) throws(KeyringError) in .next }
    }

    /// The single records, and what a portal needs for itself.
    private static func checkPolicy<Access>(_ transaction: borrowing KeyringTransaction<Access>)
        throws(KeyringError)
    {
        _ = try transaction.number(.opened)
        _ = try Membership.policy(transaction)
        _ = try Portals.all(transaction)
        _ = try MembershipLog.place(transaction)
        _ = try StoredUrgency.all(transaction)
        try transaction.forEach(StoredDenial.self) { (_, _) throws(KeyringError) in .next }
    }

    /// Whether the vault's current key opens every secret.
    static func opensEverything<Access>(
        _ transaction: borrowing KeyringTransaction<Access>, _ vault: VaultFile
    ) throws(KeyringError) -> Bool {
        guard let recorded = try transaction.number(.vault), let slot = try vault.slot(recorded) else {
            return false
        }
        var isOpen = true
        try transaction.forEach(CircleRecord.self) { (_, circle) throws(KeyringError) in
            isOpen = circle.sealed.opened(under: slot.key) != nil
            return isOpen ? .next : .stop
        }
        guard isOpen else { return false }
        try transaction.forEach(PendingRecord.self) { (_, pending) throws(KeyringError) in
            isOpen = pending.sealed.opened(under: slot.key) != nil
            return isOpen ? .next : .stop
        }
        guard isOpen else { return false }
        return try Ghost.areOpened(by: slot.key, transaction)
    }
}
