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

extension Keyring {
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
    package static func restore(
        from path: String?, into folder: String, owner: EndpointKey, keeping keep: (Friend) -> Bool,
        naming names: [String] = [], now: UInt64
    ) throws(KeyringError) -> RestoreReport {
        let opening = Opening(folder: folder, owner: owner)
        return try restore(from: path, opening, keeping: keep, naming: names, now: now)
    }

    package static func restore(
        from path: String?, _ opening: Opening, keeping keep: (Friend) -> Bool, naming names: [String] = [],
        now: UInt64
    ) throws(KeyringError) -> RestoreReport {
        let lock = try ServingLock(folder: opening.folder)
        let report = try restoreUnderLock(from: path, opening, keeping: keep, naming: names, now: now)
        _ = consume lock
        return report
    }

    private static func restoreUnderLock(
        from path: String?, _ opening: Opening, keeping keep: (Friend) -> Bool, naming names: [String],
        now: UInt64
    ) throws(KeyringError) -> RestoreReport {
        guard let path else {
            let store = try KeyringStore(
                folder: opening.folder, absence: .fails, observe: opening.observe)
            return try store.change(copies: true) { (transaction, change) throws(KeyringError) in
                try transaction.confirmFriends(named: names)
                return try Restore.run(
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
            return try Restore.run(
                &transaction, &change, owner: opening.owner, version: try source.version(),
                after: replaced ?? 0, keeping: keep, now: now)
        }
    }
}

/// A copy of a backup beside the keyring, removed with the value.
private struct BackupSource: ~Copyable {
    private static let chunkByteCount = 1 << 20

    private let path: String
    private let environment: Environment

    init(copying backup: String, into folder: String) throws(KeyringError) {
        let draft = "\(folder)/keyring.restoring"
        Self.remove(draft)
        do throws(KeyringError) {
            try Self.copy(backup, to: draft)
            environment = try KeyringError.storing { () throws(LMDBError) in
                try Environment(path: draft, schema: KeyringStore.schema, absence: .fails)
            }
        } catch {
            Self.remove(draft)
            throw error.renamed(from: draft, to: backup)
        }
        path = draft
    }

    deinit { Self.remove(path) }

    borrowing func check(owner: EndpointKey, friends names: [String]) throws(KeyringError) {
        try environment.read { (transaction) throws(KeyringError) in
            guard let found = try transaction.owner() else { throw .inconsistent("it has no owner") }
            guard found == owner.publicKey else { throw .otherOwner(found, expected: owner.publicKey) }
            try transaction.confirmFriends(named: names)
        }
    }

    /// The version of the backup, whose records are in its formats.
    borrowing func version() throws(KeyringError) -> UInt32 {
        try environment.read { (transaction) throws(KeyringError) in try transaction.version() }
    }

    /// Puts the backup's records in the place of all others.
    borrowing func replace(_ transaction: inout WriteTransaction) throws(KeyringError) {
        do throws(LMDBError) {
            for table in KeyringStore.schema.tables {
                let entries = try environment.read { (source) throws(LMDBError) in
                    try source.entries(in: table)
                }
                try transaction.removeAll(from: table)
                for entry in entries { try transaction.put(entry.value, for: entry.key, in: table) }
            }
        } catch {
            throw KeyringError(error)
        }
    }

    private static func copy(_ backup: String, to draft: String) throws(KeyringError) {
        let source = try KeyringFile(reading: backup)
        let copy = try KeyringFile(creating: draft)
        var offset = 0
        while true {
            let chunk = try source.read(chunkByteCount, at: offset)
            try copy.write(chunk, at: offset)
            offset += chunk.count
            if chunk.count < chunkByteCount { return }
        }
    }

    private static func remove(_ draft: String) {
        KeyringFile.remove(draft)
        KeyringFile.remove("\(draft)-lock")
    }
}
