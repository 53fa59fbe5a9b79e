internal import Blinding
internal import LMDB

/// A copy of a backup beside the keyring, removed with the value.
struct BackupSource: ~Copyable {
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
        try KeyringStore.read(environment) { (transaction) throws(KeyringError) in
            guard let found = try transaction.owner() else { throw .inconsistent("it has no owner") }
            guard found == owner.publicKey else { throw .otherOwner(found, expected: owner.publicKey) }
            try FriendTable.confirm(named: names, transaction)
        }
    }

    /// The version of the backup, whose records are in its formats.
    borrowing func version() throws(KeyringError) -> UInt32 {
        try KeyringStore.read(environment) { (transaction) throws(KeyringError) in try transaction.version() }
    }

    /// Puts the backup's records in the place of all others.
    borrowing func replace(_ transaction: inout KeyringWriting) throws(KeyringError) {
        do throws(LMDBError) {
            for table in KeyringStore.schema.tables {
                let entries = try environment.read { (source) throws(LMDBError) in
                    try source.entries(in: table)
                }
                try transaction.raw.removeAll(from: table)
                for entry in entries { try transaction.raw.put(entry.value, for: entry.key, in: table) }
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
