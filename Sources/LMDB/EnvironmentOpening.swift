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

extension Transaction {
    /// Opens tables whose handles may be kept once this transaction has succeeded.
    func open(_ tables: [Table], creating: Bool) throws(LMDBError) -> [Table: MDB_dbi] {
        var opened: [Table: MDB_dbi] = [:]
        for table in tables { opened[table] = try open(table, creating: creating) }
        return opened
    }

    /// The record of what the store is, as it is kept.
    func schemaRecord() throws(LMDBError) -> CheckedValue {
        let handle = try open(.schema, creating: false)
        var stored = unsafe MDB_val()
        let key = SchemaRecord.key
        let code = unsafe key.withMDBValue { unsafe mdb_get(pointer, handle, &$0, &stored) }
        guard code != MDB_NOTFOUND else { throw .lostSchema(path: path) }
        try check(code, "mdb_get")
        return try unsafe checked(key.span, stored, .schema, index: 0, CheckedValue.copy)
    }

    /// The version that the store says it has.
    ///
    /// - Throws: ``LMDBError/newerSchema(path:version:known:)`` or ``LMDBError/foreign(path:identity:)`` among others.
    package func version(of schema: Schema) throws(LMDBError) -> UInt32 {
        let value = try schemaRecord()
        let record: SchemaRecord
        do throws(Damage) { record = try SchemaRecord(value) } catch { throw .damaged(path: path, error) }
        guard record.identity == schema.identity else {
            throw .foreign(path: path, identity: record.identity)
        }
        guard record.version <= schema.version else {
            throw .newerSchema(path: path, version: record.version, known: schema.version)
        }
        return record.version
    }
}

extension Transaction where Access == Writing {
    /// Writes down what the store is, from the end of this transaction on.
    package mutating func write(_ schema: Schema) throws(LMDBError) {
        let value = CheckedValue(version: SchemaRecord.format, payload: SchemaRecord(schema).payload)
        let handle = try open(.schema, creating: true)
        try put(value.payload.span, version: value.version, for: SchemaRecord.key, in: .schema, handle)
    }

    /// Makes tables in a store that has none, fills them with the entries of another, and then changes them.
    mutating func fill<Failure: StoreFailure>(
        _ tables: [Table], from source: borrowing ReadTransaction,
        _ change: (inout WriteTransaction) throws(Failure) -> Void
    ) throws(Failure) {
        do throws(LMDBError) {
            let record = try source.schemaRecord()
            let schema = try open(.schema, creating: true)
            try put(
                record.payload.span, version: record.version, for: SchemaRecord.key, in: .schema, schema)
            for table in tables {
                let handle = try open(table, creating: true)
                try source.forEach(in: table) { (key, version, payload) throws(LMDBError) in
                    try put(payload, version: version, for: key.array, in: table, handle)
                    return .next
                }
            }
        } catch {
            throw Failure(error)
        }
        var filled: WriteTransaction
        do throws(LMDBError) {
            filled = try reopened(with: tables)
        } catch {
            throw Failure(error)
        }
        try change(&filled)
    }
}
