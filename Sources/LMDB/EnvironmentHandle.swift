internal import CLMDB
internal import Glibc

/// LMDB's own environment, closed with the value.
///
/// Safety: LMDB's environment may be used from every thread once it is open; with `MDB_NOTLS` its readers
/// belong to their transaction instead of their thread. The pointer is freed only by `deinit`.
@safe
struct EnvironmentHandle: ~Copyable, @unchecked Sendable {
    /// `MDB_NOSUBDIR` makes the path name the file itself; `MDB_NORDAHEAD` suits reads that are scattered.
    private static let flags = MDB_NOTLS | MDB_NOSUBDIR | MDB_NORDAHEAD

    let pointer: OpaquePointer
    let path: String
    let mapByteCount: Int
    /// Given back after LMDB has closed the file; a draft, whose name nobody else has, needs none.
    private let claim: Claim?

    /// Opens a file, or makes one of mode 0600 where there is none and it is not only read.
    init(
        opening path: String, claim: consuming Claim?, mapByteCount: Int, tableLimit: Int,
        readOnly: Bool = false
    ) throws(LMDBError) {
        let flags = Self.flags | (readOnly ? MDB_RDONLY : 0)
        let mapByteCount = try MapSize.available(for: path, wanted: mapByteCount)
        if try LockFile.prepare(beside: path, readOnly: readOnly) {
            unsafe pointer = try Self.open(path, flags, mapByteCount: mapByteCount, tableLimit: tableLimit)
        } else {
            let snapshot = try Snapshot(of: path)
            unsafe pointer = try Self.open(
                snapshot.path, flags | MDB_NOLOCK, mapByteCount: mapByteCount, tableLimit: tableLimit)
        }
        self.claim = claim
        self.path = path
        self.mapByteCount = mapByteCount
    }

    private static func open(
        _ path: String, _ flags: Int32, mapByteCount: Int, tableLimit: Int
    ) throws(LMDBError) -> OpaquePointer {
        var created: OpaquePointer?
        let status = unsafe mdb_env_create(&created)
        guard let environment = unsafe created else {
            throw .refused(path: path, call: "mdb_env_create", ResultCode(rawValue: status))
        }
        var call = "mdb_env_set_mapsize"
        var code = unsafe mdb_env_set_mapsize(environment, mapByteCount)
        if code == 0 {
            call = "mdb_env_set_maxdbs"
            code = unsafe mdb_env_set_maxdbs(environment, UInt32(tableLimit))
        }
        if code == 0 {
            call = "mdb_env_open"
            code = unsafe mdb_env_open(environment, path.systemName, UInt32(flags), 0o600)
        }
        if code == 0 {
            // A process that was killed leaves its place in the table of readers, which pins old pages.
            call = "mdb_reader_check"
            code = unsafe mdb_reader_check(environment, nil)
        }
        guard code == 0 else {
            unsafe mdb_env_close(environment)
            throw Self.error(path: path, call: call, code: code, mapByteCount: mapByteCount)
        }
        return unsafe environment
    }

    deinit { unsafe mdb_env_close(pointer) }

    /// The open file, which belongs to LMDB.
    var descriptor: Int32 {
        get throws(LMDBError) {
            var number: Int32 = -1
            try check(unsafe mdb_env_get_fd(pointer, &number), "mdb_env_get_fd")
            return number
        }
    }

    /// The number of the newest commit, of whichever process.
    var stateNumber: Int {
        var status = unsafe MDB_envinfo()
        let code = unsafe mdb_env_info(pointer, &status)
        precondition(code == 0, "LMDB describes every open environment")
        return unsafe status.me_last_txnid
    }

    /// Throws what a code other than success means.
    func check(_ code: Int32, _ call: String) throws(LMDBError) {
        guard code != 0 else { return }
        throw error(code, call)
    }

    /// What a code other than success means.
    func error(_ code: Int32, _ call: String) -> LMDBError {
        Self.error(path: path, call: call, code: code, mapByteCount: mapByteCount)
    }

    private static func error(path: String, call: String, code: Int32, mapByteCount: Int) -> LMDBError {
        switch code {
        case ResultCode.MDB_MAP_FULL: .full(path: path, byteCount: mapByteCount)
        case ResultCode.MDB_INVALID, ResultCode.MDB_VERSION_MISMATCH: .notAnEnvironment(path: path)
        default: .refused(path: path, call: call, ResultCode(rawValue: code))
        }
    }

    /// Runs a reading transaction, which ends with the call; handles of tables that it opened stay when it
    /// succeeds.
    func read<Result: ~Copyable, Failure: StoreFailure>(
        tables: [Table: MDB_dbi], _ body: (inout ReadTransaction) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var transaction = try begin(
            tables: tables, ReadTransaction.self, flags: UInt32(MDB_RDONLY), Failure.self)
        let result: Result
        do throws(Failure) {
            result = try body(&transaction)
        } catch {
            unsafe mdb_txn_abort(transaction.pointer)
            throw error
        }
        let code = unsafe mdb_txn_commit(transaction.pointer)
        guard code == 0 else { throw Failure(error(code, "mdb_txn_commit")) }
        return result
    }

    /// Runs a writing transaction: all of it is on the disk when this returns, none of it ever when it
    /// throws.
    func write<Result: ~Copyable, Failure: StoreFailure>(
        tables: [Table: MDB_dbi], _ body: (inout WriteTransaction) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var transaction = try begin(tables: tables, WriteTransaction.self, flags: 0, Failure.self)
        let result: Result
        do throws(Failure) {
            result = try body(&transaction)
        } catch {
            unsafe mdb_txn_abort(transaction.pointer)
            throw error
        }
        let code = unsafe mdb_txn_commit(transaction.pointer)
        guard code == 0 else { throw Failure(error(code, "mdb_txn_commit")) }
        return result
    }

    private func begin<Access, Failure: StoreFailure>(
        tables: [Table: MDB_dbi], _: Transaction<Access>.Type, flags: UInt32, _: Failure.Type
    ) throws(Failure) -> Transaction<Access> {
        var begun: OpaquePointer?
        let code = unsafe mdb_txn_begin(pointer, nil, flags, &begun)
        // A lock on the number of this process, which another one of the same number has.
        guard code != EAGAIN else { throw Failure(.sameProcessNumber(path: path, number: Int(getpid()))) }
        guard code == 0, let pointer = unsafe begun else { throw Failure(error(code, "mdb_txn_begin")) }
        return unsafe Transaction(pointer, tables: tables, path: path, mapByteCount: mapByteCount)
    }
}
