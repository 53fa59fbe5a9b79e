internal import CLMDB

/// LMDB's place in a table, closed with the value and so before its transaction ends.
@safe
private struct Cursor: ~Copyable {
    private let pointer: OpaquePointer

    init<Access>(_ transaction: borrowing Transaction<Access>, _ table: Table) throws(LMDBError) {
        var opened: OpaquePointer?
        let code = unsafe mdb_cursor_open(transaction.pointer, transaction.handle(of: table), &opened)
        guard code == 0, let cursor = unsafe opened else {
            throw transaction.error(code, "mdb_cursor_open")
        }
        unsafe pointer = cursor
    }

    deinit { unsafe mdb_cursor_close(pointer) }

    func move(_ operation: MDB_cursor_op, _ key: inout MDB_val, _ stored: inout MDB_val) -> Int32 {
        unsafe mdb_cursor_get(pointer, &key, &stored, operation)
    }

    /// To the first key from a bound on.
    func seek(_ bound: [UInt8], _ key: inout MDB_val, _ stored: inout MDB_val) -> Int32 {
        unsafe bound.withMDBValue { wanted in
            let code = unsafe mdb_cursor_get(pointer, &wanted, &stored, MDB_SET_RANGE)
            unsafe key = wanted  // LMDB has replaced it by the key that it found
            return code
        }
    }

    /// To where a walk begins.
    func start(
        _ range: KeyRange, _ order: KeyOrder, _ key: inout MDB_val, _ stored: inout MDB_val
    ) -> Int32 {
        switch (order, range.lower, range.upper) {
        case (.ascending, let lower?, _): return unsafe seek(lower, &key, &stored)
        case (.ascending, nil, _): return unsafe move(MDB_FIRST, &key, &stored)
        case (.descending, _, let upper?) where !upper.isEmpty:
            let code = unsafe seek(upper, &key, &stored)
            return unsafe move(code == MDB_NOTFOUND ? MDB_LAST : MDB_PREV, &key, &stored)
        case (.descending, _, _): return unsafe move(MDB_LAST, &key, &stored)
        }
    }
}

extension Transaction {
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
}

extension KeyRange {
    /// Whether a key belongs to it.
    func contains(_ key: Span<UInt8>) -> Bool {
        if let lower, key.precedes(lower.span) { return false }
        if let upper { return key.precedes(upper.span) }
        return true
    }
}

extension Span<UInt8> {
    /// Whether these bytes come before others in LMDB's order: byte by byte, then the shorter.
    func precedes(_ other: Span<UInt8>) -> Bool {
        for index in 0..<Swift.min(count, other.count) where self[index] != other[index] {
            return self[index] < other[index]
        }
        return count < other.count
    }
}
