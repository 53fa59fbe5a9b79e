internal import LMDB
internal import TypedSodium

/// The store and the vault, and the order in which the two change.
///
/// A change that drops, replaces or advances a chain key makes a fresh key for the vault: it is written into the
/// slot that is not current → everything is sealed under it and its number recorded, in the change's own
/// transaction → commit → the former slot is overwritten. A process that is killed at any point leaves one slot
/// that opens what the store holds; the other is overwritten when the keyring is next opened.
///
/// Invariants, in every state that is committed: the vault has a slot of the number that the store records, and its key
/// opens every secret; the sequence number is greater than in every former state that others could tell from it; what
/// ``Keyring`` promises holds, see ``Invariants``.
struct KeyringStore: Sendable {
    static let fileName = "keyring.mdb"
    static let schema = Schema(
        identity: "companionway keyring", version: 3, oldestUsable: 1,
        tables: [
            StateNumber.table, PortalRecord.table, FriendRecord.table, NameRecord.table, SeenRecord.table,
            CircleRecord.table, PendingRecord.table, Ghost.table, FriendInvite.table, TombstoneRecord.table,
            StoredMember.table, StoredDenial.table, MemberInvite.table,
        ])
    /// How often a reader begins again because the vault's key changed under it.
    private static let readAttempts = 3

    let environment: Environment
    let vault: VaultFile
    /// Told where a change has got to; the tests end the process there.
    let observe: (@Sendable (CommitPoint) -> Void)?

    init(
        folder: String, absence: Environment.Absence, access: Environment.Access = .readWrite,
        observe: (@Sendable (CommitPoint) -> Void)? = nil
    ) throws(KeyringError) {
        environment = try KeyringError.storing { () throws(LMDBError) in
            try Environment(
                path: "\(folder)/\(Self.fileName)", schema: Self.schema, absence: absence, access: access)
        }
        vault = VaultFile(folder: folder)
        self.observe = observe
    }

    func read<Result: ~Copyable>(
        _ body: (borrowing KeyringReading) throws(KeyringError) -> Result
    ) throws(KeyringError) -> Result { try Self.read(environment, body) }

    /// Reads a store that is not the keyring's own, such as a backup.
    static func read<Result: ~Copyable>(
        _ environment: Environment, _ body: (borrowing KeyringReading) throws(KeyringError) -> Result
    ) throws(KeyringError) -> Result {
        try environment.read { (raw) throws(KeyringError) in
            try KeyringReading.lend(&raw) { (transaction) throws(KeyringError) in try body(transaction) }
        }
    }

    private func write<Result: ~Copyable>(
        _ body: (inout KeyringWriting) throws(KeyringError) -> Result
    ) throws(KeyringError) -> Result {
        try environment.write { (raw) throws(KeyringError) in try KeyringWriting.lend(&raw, body) }
    }

    /// Writes a copy that is changed before it gets its name; see `Environment.copy(to:changedBy:)`.
    func copy(
        to path: String, changedBy change: (inout KeyringWriting) throws(KeyringError) -> Void
    ) throws(KeyringError) {
        try environment.copy(to: path) { (raw) throws(KeyringError) in try KeyringWriting.lend(&raw, change) }
    }

    /// Reads one state of the store with the vault's key that opens it.
    func readSecrets<Result: ~Copyable>(
        _ body: (borrowing KeyringReading, borrowing SecretKey) throws(KeyringError) -> Result
    ) throws(KeyringError) -> Result {
        for _ in 0..<Self.readAttempts {
            if let result = try tryReadSecrets(body) { return result }
        }
        // Nobody changes the vault while this process is the one that may write.
        return try environment.write { (_) throws(KeyringError) in
            guard let result = try tryReadSecrets(body) else { throw .vaultLost(path: vault.path) }
            return result
        }
    }

    /// - Returns: `nil` when the vault has no slot for the state that is seen.
    private func tryReadSecrets<Result: ~Copyable>(
        _ body: (borrowing KeyringReading, borrowing SecretKey) throws(KeyringError) -> Result
    ) throws(KeyringError) -> Result? {
        try read { (transaction) throws(KeyringError) -> Result? in
            guard let sequence = try transaction.number(.vault),
                let slot = try vault.slot(sequence)
            else { return nil }
            return try body(transaction, slot.key)
        }
    }

    /// Changes the keyring in one transaction, with a new sequence number where the change says that it is one.
    ///
    /// - Throws: what `body` throws, or ``KeyringError/isCopy`` unless copies may be changed; then nothing has
    ///   changed.
    func change<Result: ~Copyable>(
        copies: Bool = false,
        _ body: (inout KeyringWriting, inout Change) throws(KeyringError) -> Result
    ) throws(KeyringError) -> Result {
        var hasRotated = false
        let result = try write { (transaction) throws(KeyringError) in
            if !copies, try transaction.number(.copy) != nil { throw .isCopy }
            let before = Invariants.state(before: transaction)
            var change = try Change(transaction, vault: vault)
            let result = try body(&transaction, &change)
            observe?(.prepared)
            hasRotated = change.rotates
            try change.finish(&transaction, observe)
            assert(
                Invariants.hold(transaction, after: change, vault, before: before, mayShrink: copies),
                "a change has left the keyring in contradiction with itself")
            return result
        }
        observe?(.committed)
        if hasRotated {
            // The change is made, whatever becomes of this; where it fails, the next opening or tidying tries
            // again, and says so.
            try? eraseFormerSlot()
            observe?(.erased)
        }
        return result
    }

    /// Brings a keyring of an earlier version up to date; nothing is done to one that is not.
    ///
    /// - Parameter folder: the home folder, from which no node of that version may serve meanwhile: it would not
    ///   understand what it reads from then on.
    /// - Throws: ``KeyringError/alreadyServing(pid:)`` among others; then everything is as it was.
    func migrate(folder: String) throws(KeyringError) {
        let isOld = try read { (transaction) throws(KeyringError) in
            try transaction.version() < Self.schema.version
        }
        guard isOld else { return }
        try change { (transaction, change) throws(KeyringError) in
            let version = try transaction.version()
            // Another process may have been faster.
            guard version < Self.schema.version else { return }
            let lock = try ServingLock(folder: folder)
            try Migration.run(&transaction, change, from: version)
            _ = consume lock
        }
    }

    /// Overwrites the vault's slot that is not current.
    ///
    /// Under the store's lock: the moment it is given up, another process may write its fresh key there.
    func eraseFormerSlot() throws(KeyringError) {
        try write { (transaction) throws(KeyringError) in
            guard let sequence = try transaction.number(.vault) else {
                throw .vaultLost(path: vault.path)
            }
            try vault.erase(allBut: sequence)
        }
    }
}

/// Where a change has got to.
package enum CommitPoint: String, CaseIterable, Sendable {
    /// Everything is written into the transaction, as yet under the current key of the vault.
    case prepared
    /// The vault has a fresh key in its other slot.
    case slotWritten
    /// Everything is sealed under the fresh key.
    case sealedAgain
    /// The transaction is on the disk.
    case committed
    /// The former key of the vault is overwritten.
    case erased
}
