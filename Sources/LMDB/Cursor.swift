internal import CLMDB

/// LMDB's place in a table, closed with the value and so before its transaction ends.
@safe
struct Cursor: ~Copyable {
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
