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
}
