internal import CLMDB
internal import Synchronization

/// A store: tables in one file of mode 0600, which several processes may have open at once.
///
/// A commit is on the disk when ``write(_:)`` returns, whole; a process that is killed leaves the state of
/// its last commit. Before anything in a file is used, every page and value of it is looked at: damage is
/// refused with a sentence that says what to do. The calls block, on the disk and on other writers: they have
/// no place on an event loop.
///
/// Safety: what is stored here is immutable, but for `writer`, which locks; LMDB allows each call from every
/// thread.
package final class Environment: Sendable {
    /// What the file may hold at most unless said otherwise, in bytes: addresses, neither disk nor memory.
    package static let defaultMapByteCount = 64 << 30

    /// What is done when there is no file.
    package enum Absence: Sendable {
        /// One is made. It gets its name once it is complete.
        case creates
        /// It is an error: somebody knows that there was one.
        case fails
    }

    /// What is done with the file.
    package enum Access: Sendable {
        /// It is read and written.
        case readWrite
        /// It is only read, so it may stand where nothing can be written.
        case readOnly
    }

    /// Brings a store of an earlier version of the schema, whose number it is given, up to date.
    package typealias Upgrade = (inout WriteTransaction, UInt32) throws(LMDBError) -> Void

    private let handle: EnvironmentHandle
    private let tables: [Table: MDB_dbi]
    private let writer = WriterMark()

    /// The file.
    package var path: String { handle.path }

    /// Opens a store after a look at all of it.
    ///
    /// - Parameters:
    ///   - path: the file, in a folder that its owner alone may enter; its locks are beside it, in `…-lock`.
    ///   - schema: what the store must be, or becomes.
    ///   - absence: what is done when there is no file.
    ///   - access: what is done with it; none is made, and none brought up to date, that is only read.
    ///   - mapByteCount: what the file may hold at most, in bytes.
    ///   - upgrade: brings a version that is older than ``Schema/oldestUsable`` up to date, in one transaction with
    ///     the new version's number.
    /// - Throws: ``LMDBError``.
    package init(
        path: String, schema: Schema, absence: Absence = .creates, access: Access = .readWrite,
        mapByteCount: Int = Environment.defaultMapByteCount, upgrade: Upgrade? = nil
    ) throws(LMDBError) {
        let claim = try Claim(path)
        if absence == .creates, access == .readWrite, try SystemFile.status(of: path) == nil {
            try EnvironmentOpening.create(path, schema: schema, mapByteCount: mapByteCount)
        }
        try EnvironmentCheck.inspect(path, mapByteCount: mapByteCount)
        let handle = try EnvironmentHandle(
            opening: path, claim: claim, mapByteCount: mapByteCount, tableLimit: schema.tables.count + 1,
            readOnly: access == .readOnly)
        _ = try EnvironmentCheck.walk(handle)
        tables = try EnvironmentOpening.tables(
            handle, schema: schema, upgrade: access == .readWrite ? upgrade : nil)
        self.handle = handle
    }

    /// Reads in one state of the store, while others may write.
    ///
    /// The state's pages are kept while `body` runs: keep it short.
    ///
    /// - Throws: what `body` throws, or the store's error in its type.
    package func read<Result: ~Copyable, Failure: StoreFailure>(
        _ body: (inout ReadTransaction) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try handle.read(tables: tables, body)
    }

    /// Reads and writes; all of it is on the disk when this returns, and none of it ever when it throws.
    ///
    /// There is one writer at a time, over all processes; the others wait.
    ///
    /// - Precondition: not called from the `body` of another `write`, which would wait for itself.
    /// - Throws: what `body` throws, or the store's error in its type.
    package func write<Result: ~Copyable, Failure: StoreFailure>(
        _ body: (inout WriteTransaction) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        writer.enter()
        defer { writer.leave() }
        return try handle.write(tables: tables, body)
    }

    /// The number of the newest commit, of whichever process.
    ///
    /// Read from the mapped file without a system call, so it can be asked several times a second. It is there before
    /// ``read(_:)`` sees the commit, for as long as the disk takes to note it: ``readNumber()`` says what is seen.
    package var stateNumber: Int { handle.stateNumber }

    /// The number of the state that ``read(_:)`` sees; what it sees later is no older.
    package func readNumber() throws(LMDBError) -> Int {
        try read { (transaction) throws(LMDBError) in transaction.number }
    }

    /// Waits until everything committed is on the disk; ``write(_:)`` has done so already.
    package func sync() throws(LMDBError) {
        try handle.check(unsafe mdb_env_sync(handle.pointer, 1), "mdb_env_sync")
    }

    /// Looks at every page and value, as opening does; others may write meanwhile.
    package func check() throws(LMDBError) -> CheckReport { try EnvironmentCheck.walk(handle) }

    /// Writes a copy of the newest state to another file, of mode 0600, while others may write.
    ///
    /// The copy gets its name once it is complete and on the disk; a process killed before that leaves a file
    /// `…-draft-` with its number, of mode 0600 as well.
    ///
    /// - Throws: ``LMDBError/exists(path:)`` rather than replace a file.
    package func copy(to path: String) throws(LMDBError) {
        try EnvironmentOpening.copy(handle, to: path)
    }

    /// Writes a copy that is changed before it gets its name, so that nobody ever sees it unchanged.
    ///
    /// It is written entry by entry: nothing is in it of what was removed from the store, whose pages keep that until
    /// they are used again.
    ///
    /// - Throws: what `change` throws, or as ``copy(to:)``.
    package func copy<Failure: StoreFailure>(
        to path: String, changedBy change: (inout WriteTransaction) throws(Failure) -> Void
    ) throws(Failure) {
        let tables = tables
        try EnvironmentOpening.publish(path) { (draft) throws(Failure) in
            let copied: EnvironmentHandle
            do throws(LMDBError) {
                copied = try EnvironmentHandle(
                    opening: draft, claim: nil, mapByteCount: handle.mapByteCount,
                    tableLimit: tables.count + 1)
            } catch {
                throw Failure(error)
            }
            try copied.write(tables: [:]) { (transaction) throws(Failure) in
                try handle.read(tables: tables) { (source) throws(Failure) in
                    try transaction.fill(Array(tables.keys), from: source, change)
                }
            }
        }
    }
}

/// Which thread of this process writes, so that it does not wait for itself.
struct WriterMark: ~Copyable, Sendable {
    /// Threads whose `write` has begun or waits; a handful at most.
    private let threads = Mutex<Set<UInt>>([])

    func enter() {
        let isFirst = threads.withLock { $0.insert(shim_current_thread()).inserted }
        precondition(isFirst, "write was called inside write: pass the transaction on instead")
    }

    func leave() {
        threads.withLock { _ = $0.remove(shim_current_thread()) }
    }
}
