internal import CLMDB
internal import Glibc

/// How a store comes to be, is recognised, and is copied.
enum EnvironmentOpening {
    /// Makes a store, which gets its name once its schema is on the disk.
    ///
    /// So a file of that name without a schema, or without bytes, has lost them; no crash leaves such a file.
    static func create(_ path: String, schema: Schema, mapByteCount: Int) throws(LMDBError) {
        let draft = SystemFile.draft(of: path)
        defer { removeDraft(draft) }
        removeDraft(draft)
        try fill(draft, schema: schema, mapByteCount: mapByteCount)
        // Where another process was faster, its store is the one.
        _ = try SystemFile.publish(draft, as: path)
    }

    private static func fill(_ draft: String, schema: Schema, mapByteCount: Int) throws(LMDBError) {
        let handle = try EnvironmentHandle(
            opening: draft, claim: nil, mapByteCount: mapByteCount, tableLimit: schema.tables.count + 1)
        try handle.write(tables: [:]) { (transaction) throws(LMDBError) in
            for table in schema.tables { _ = try transaction.open(table, creating: true) }
            try transaction.write(schema)
        }
    }

    private static func removeDraft(_ draft: String) {
        SystemFile.remove(draft)
        SystemFile.remove("\(draft)-lock")
    }

    /// Recognises a store and opens its tables.
    static func tables(
        _ handle: borrowing EnvironmentHandle, schema: Schema, upgrade: Environment.Upgrade?
    ) throws(LMDBError) -> [Table: MDB_dbi] {
        let path = handle.path
        let version = try handle.read(tables: [:]) { (transaction) throws(LMDBError) in
            try transaction.version(of: schema)
        }
        guard version < schema.oldestUsable else {
            return try handle.read(tables: [:]) { (transaction) throws(LMDBError) in
                try transaction.open(schema.tables, creating: false)
            }
        }
        guard let upgrade else {
            throw .olderSchema(path: path, version: version, known: schema.version)
        }
        let mapByteCount = handle.mapByteCount
        return try handle.write(tables: [:]) { (transaction) throws(LMDBError) in
            // Another process may have done it since.
            let version = try transaction.version(of: schema)
            let tables = try transaction.open(schema.tables, creating: version < schema.version)
            if version < schema.version {
                var inner = unsafe WriteTransaction(
                    transaction.pointer, tables: tables, path: path, mapByteCount: mapByteCount)
                try upgrade(&inner, version)
                try transaction.write(schema)
            }
            return tables
        }
    }

    /// Copies the newest state to a file that gets its name once it is on the disk.
    ///
    /// Into a file of our own making: one of LMDB's making would be open to others. Page by page rather than
    /// entry by entry, which would follow what is in the pages.
    static func copy(_ handle: borrowing EnvironmentHandle, to path: String) throws(LMDBError) {
        try publish(path) { (draft) throws(LMDBError) in try write(handle, to: draft) }
    }

    /// Gives a file its name once `write`, which is given the path of a draft, has put it on the disk.
    static func publish<Failure: StoreFailure>(
        _ path: String, write: (String) throws(Failure) -> Void
    ) throws(Failure) {
        let draft = SystemFile.draft(of: path)
        defer { removeDraft(draft) }
        do throws(LMDBError) {
            guard try SystemFile.status(of: path) == nil else { throw .exists(path: path) }
            removeDraft(draft)
        } catch {
            throw Failure(error)
        }
        try write(draft)
        do throws(LMDBError) {
            guard try SystemFile.publish(draft, as: path) else { throw .exists(path: path) }
        } catch {
            throw Failure(error)
        }
    }

    private static func write(_ handle: borrowing EnvironmentHandle, to draft: String) throws(LMDBError) {
        let file = try SystemFile.Descriptor(
            opening: draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, permissions: 0o600)
        try handle.check(unsafe mdb_env_copyfd2(handle.pointer, file.number, 0), "mdb_env_copyfd2")
        try file.synchronize()
    }
}
