internal import CLMDB

/// What a transaction may do: read.
package enum Reading {}
/// What a transaction may do: read and write.
package enum Writing {}

/// A view of the store in which nobody else changes anything.
package typealias ReadTransaction = Transaction<Reading>
/// A view of the store that becomes everybody's at once, or nobody's.
package typealias WriteTransaction = Transaction<Writing>

/// One transaction, lent to a closure.
///
/// It can be neither copied nor stored, so it does not outlive the closure. Bytes that a method lends to a
/// closure of its own stand in the file's memory map: the span cannot leave that closure, and because writing
/// needs the transaction for itself alone, nothing moves underneath it.
@safe
package struct Transaction<Access>: ~Copyable {
    let pointer: OpaquePointer
    let path: String
    private let tables: [Table: MDB_dbi]
    private let mapByteCount: Int

    @unsafe
    init(_ pointer: OpaquePointer, tables: [Table: MDB_dbi], path: String, mapByteCount: Int) {
        unsafe self.pointer = pointer
        self.tables = tables
        self.path = path
        self.mapByteCount = mapByteCount
    }

    /// LMDB's number of the state that is seen.
    var number: Int { unsafe mdb_txn_id(pointer) }

    /// The value of a key, copied; `nil` when there is none.
    ///
    /// - Throws: ``LMDBError/damaged(path:_:)`` when its checksum is wrong.
    package borrowing func value(for key: [UInt8], in table: Table) throws(LMDBError) -> CheckedValue? {
        try withValue(for: key, in: table, CheckedValue.copy)
    }

    /// Lends the value of a key, version and payload, without a copy; `nil` when there is none.
    ///
    /// - Throws: ``LMDBError/damaged(path:_:)`` when its checksum is wrong, or what `body` throws.
    package borrowing func withValue<Result: ~Copyable, Failure: StoreFailure>(
        for key: [UInt8], in table: Table, _ body: (UInt8, Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result? {
        var stored = unsafe MDB_val()
        let code = unsafe key.withMDBValue { unsafe mdb_get(pointer, handle(of: table), &$0, &stored) }
        if code == MDB_NOTFOUND { return nil }
        guard code == 0 else { throw Failure(error(code, "mdb_get")) }
        return try unsafe checked(key.span, stored, table, index: 0, body)
    }

    /// How many keys a table has.
    package borrowing func count(of table: Table) throws(LMDBError) -> Int {
        var statistics = MDB_stat()
        try check(unsafe mdb_stat(pointer, handle(of: table), &statistics), "mdb_stat")
        return statistics.ms_entries
    }

    /// Lends what was stored, after a look at its checksum.
    @unsafe
    func checked<Result: ~Copyable, Failure: StoreFailure>(
        _ key: Span<UInt8>, _ stored: MDB_val, _ table: Table, index: Int,
        _ body: (UInt8, Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try unsafe stored.withSpan { (bytes) throws(Failure) in
            guard CheckedValue.isIntact(bytes, table: table.name, key: key) else {
                throw Failure(.damaged(path: path, .value(table: table.name, index: index)))
            }
            return try body(bytes[0], bytes.extracting(1..<bytes.count - 8))
        }
    }

    func handle(of table: Table) -> MDB_dbi {
        guard let handle = tables[table] else {
            preconditionFailure("the table \(table.name) is not in the schema of this store")
        }
        return handle
    }

    func check(_ code: Int32, _ call: String) throws(LMDBError) {
        guard code == 0 else { throw error(code, call) }
    }

    func error(_ code: Int32, _ call: String) -> LMDBError {
        code == MDB_MAP_FULL
            ? .full(path: path, byteCount: mapByteCount)
            : .refused(path: path, call: call, ResultCode(rawValue: code))
    }

    /// The same transaction, which knows other tables; it is not ended by the value.
    func reopened(with tables: [Table]) throws(LMDBError) -> Transaction<Access> {
        unsafe Transaction(
            pointer, tables: try open(tables, creating: false), path: path, mapByteCount: mapByteCount)
    }

    /// Opens a table by name; its handle may be kept once this transaction has succeeded.
    func open(_ table: Table, creating: Bool) throws(LMDBError) -> MDB_dbi {
        var handle: MDB_dbi = 0
        let code = unsafe mdb_dbi_open(pointer, table.name, creating ? UInt32(MDB_CREATE) : 0, &handle)
        guard code != MDB_NOTFOUND else {
            throw table == .schema ? .lostSchema(path: path) : .lostTable(path: path, name: table.name)
        }
        try check(code, "mdb_dbi_open")
        return handle
    }

    // MARK: Walking

    /// Lends key, version and payload of every entry in a range, one after another, without copies.
    ///
    /// - Throws: ``LMDBError/damaged(path:_:)`` when a checksum is wrong, or what `body` throws.
    package borrowing func forEach<Failure: StoreFailure>(
        in table: Table, _ range: KeyRange = .all, _ order: KeyOrder = .ascending,
        _ body: (Span<UInt8>, UInt8, Span<UInt8>) throws(Failure) -> Step
    ) throws(Failure) {
        let cursor: Cursor
        do throws(LMDBError) { cursor = try Cursor(self, table) } catch { throw Failure(error) }
        var key = unsafe MDB_val()
        var stored = unsafe MDB_val()
        var code = unsafe cursor.start(range, order, &key, &stored)
        var index = 0
        while code == 0 {
            let step = try unsafe key.withSpan { (key) throws(Failure) in
                guard range.contains(key) else { return Step.stop }
                return try unsafe checked(key, stored, table, index: index) {
                    (version, payload) throws(Failure) in try body(key, version, payload)
                }
            }
            if step == .stop { return }
            index += 1
            code = unsafe cursor.move(order == .ascending ? MDB_NEXT : MDB_PREV, &key, &stored)
        }
        guard code == MDB_NOTFOUND else { throw Failure(error(code, "mdb_cursor_get")) }
    }

    /// The entries in a range, copied, `limit` of them at most.
    package borrowing func entries(
        in table: Table, _ range: KeyRange = .all, _ order: KeyOrder = .ascending, limit: Int = .max
    ) throws(LMDBError) -> [Entry] {
        var found: [Entry] = []
        guard limit > 0 else { return found }
        try forEach(in: table, range, order) { (key, version, payload) throws(LMDBError) in
            found.append(
                Entry(key: key.array, value: CheckedValue(version: version, payload: payload.array)))
            return found.count < limit ? .next : .stop
        }
        return found
    }

    /// The entry with the smallest key in a range.
    package borrowing func first(in table: Table, _ range: KeyRange = .all) throws(LMDBError) -> Entry? {
        try entries(in: table, range, .ascending, limit: 1).first
    }

    /// The entry with the largest key in a range.
    package borrowing func last(in table: Table, _ range: KeyRange = .all) throws(LMDBError) -> Entry? {
        try entries(in: table, range, .descending, limit: 1).first
    }

    // MARK: What the store is

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
    /// Stores a value under a key of 1 to 511 bytes, in place of what was there.
    ///
    /// - Throws: ``LMDBError/full(path:byteCount:)``, or ``LMDBError/refused(path:call:_:)`` with
    /// `MDB_BAD_VALSIZE`
    ///   for a key of another length. Either way the whole transaction can only fail.
    package mutating func put(
        _ payload: Span<UInt8>, version: UInt8, for key: [UInt8], in table: Table
    ) throws(LMDBError) {
        try put(payload, version: version, for: key, in: table, handle(of: table))
    }

    mutating func put(
        _ payload: Span<UInt8>, version: UInt8, for key: [UInt8], in table: Table, _ handle: MDB_dbi
    ) throws(LMDBError) {
        let checksum = CheckedValue.checksum(
            table: table.name, key: key.span, version: version, payload: payload)
        // LMDB reserves the place, so that the payload is copied once and no secret is left elsewhere.
        var place = unsafe MDB_val(mv_size: payload.count + CheckedValue.overheadByteCount, mv_data: nil)
        let code = unsafe key.withMDBValue {
            unsafe mdb_put(pointer, handle, &$0, &place, UInt32(MDB_RESERVE))
        }
        try check(code, "mdb_put")
        let target = unsafe UnsafeMutableRawBufferPointer(start: place.mv_data, count: place.mv_size)
        unsafe target[0] = version
        unsafe payload.withUnsafeBytes { source in
            unsafe UnsafeMutableRawBufferPointer(rebasing: target[1...]).copyMemory(from: source)
        }
        for index in 0..<8 {
            unsafe target[1 + payload.count + index] = UInt8(truncatingIfNeeded: checksum >> (56 - 8 * index))
        }
    }

    /// Stores a value under a key of 1 to 511 bytes, in place of what was there.
    ///
    /// - Throws: as ``put(_:version:for:in:)``.
    package mutating func put(_ value: CheckedValue, for key: [UInt8], in table: Table) throws(LMDBError) {
        try put(value.payload.span, version: value.version, for: key, in: table)
    }

    /// Removes a key.
    ///
    /// - Returns: whether it was there.
    @discardableResult
    package mutating func remove(_ key: [UInt8], from table: Table) throws(LMDBError) -> Bool {
        let code = unsafe key.withMDBValue { unsafe mdb_del(pointer, handle(of: table), &$0, nil) }
        if code == MDB_NOTFOUND { return false }
        try check(code, "mdb_del")
        return true
    }

    /// Removes every key of a table.
    package mutating func removeAll(from table: Table) throws(LMDBError) {
        try check(unsafe mdb_drop(pointer, handle(of: table), 0), "mdb_drop")
    }

    // MARK: What the store is

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
