/// Why a store is not opened, read or written.
package enum LMDBError: Error, Equatable, Sendable {
    /// There is no file, though one was expected.
    case missing(path: String)
    /// A folder, a symbolic link or a device stands in its place.
    case notAFile(path: String)
    /// Others may read or write it.
    case exposed(path: String, permissions: Int)
    /// It has no bytes: LMDB would take it for a fresh store.
    case empty(path: String)
    /// It has fewer pages than its newest state needs.
    case truncated(path: String, byteCount: Int, expected: Int)
    /// It is no file of LMDB's, or one whose first pages are lost.
    case notAnEnvironment(path: String)
    /// Something in it is not as it was written.
    case damaged(path: String, Damage)
    /// It holds no record of what it is, though every store is born with one.
    case lostSchema(path: String)
    /// A table that this version of the schema has is not there.
    case lostTable(path: String, name: String)
    /// It belongs to something else, which calls itself this.
    case foreign(path: String, identity: String)
    /// A later version of the program wrote it.
    case newerSchema(path: String, version: UInt32, known: UInt32)
    /// An earlier version of the program wrote it, and nothing was given that brings it up to date.
    case olderSchema(path: String, version: UInt32, known: UInt32)
    /// This process has it open already, which LMDB's locks do not bear.
    case alreadyOpen(path: String)
    /// The copy would replace a file.
    case exists(path: String)
    /// What it may hold at most is reached, in bytes.
    case full(path: String, byteCount: Int)
    /// It is open in a process that has the same number as this one, of another container.
    case sameProcessNumber(path: String, number: Int)
    /// This process may not have so many addresses, in bytes, as it takes to open it.
    case noAddresses(path: String, byteCount: Int)
    /// LMDB or the system refused a call.
    case refused(path: String, call: String, ResultCode)
}

/// An error that a transaction may end with: LMDB's own, or another that can carry one.
package protocol StoreFailure: Error {
    /// Carries the store's error.
    init(_ error: LMDBError)
}

extension LMDBError: StoreFailure {
    /// Itself.
    package init(_ error: LMDBError) { self = error }
}

extension LMDBError: CustomStringConvertible {
    /// The cause, and what to do about it, in a sentence for people.
    package var description: String {
        switch self {
        case .missing(let path):
            "there is no store \(path): restore it from a backup"
        case .notAFile(let path):
            "the store \(path) is no ordinary file (links are not followed): put the file itself there"
        case .exposed(let path, let permissions):
            "the store \(path) has mode 0\(String(permissions, radix: 8)), so others have access to it: "
                + "run chmod 600 '\(path)', and make other keys if somebody may have read it"
        case .empty(let path):
            "the store \(path) is empty, so what it held is lost: " + Self.restore
        case .truncated(let path, let byteCount, let expected):
            "the store \(path) has \(byteCount) of \(expected) bytes: " + Self.restore
        case .notAnEnvironment(let path):
            "\(path) is no store, or its beginning is lost: " + Self.restore
        case .damaged(let path, let damage):
            "the store \(path) is damaged (\(damage)): " + Self.restore
        case .lostSchema(let path):
            "the store \(path) does not say what it is, so something is lost: " + Self.restore
        case .lostTable(let path, let name):
            "the store \(path) has lost its table \(name.debugDescription): " + Self.restore
        case .foreign(let path, let identity):
            "the store \(path) belongs to \(identity.debugDescription): put the right file there"
        case .newerSchema(let path, let version, let known):
            "the store \(path) was written by a later version (schema \(version), known up to \(known)): "
                + "install that version"
        case .olderSchema(let path, let version, let known):
            "the store \(path) was written by an earlier version (schema \(version), wanted \(known)): "
                + "open it once with a version that brings it up to date"
        case .alreadyOpen(let path):
            "the store \(path) is open in this process already: use the one that is open"
        case .exists(let path):
            "there is a file \(path) already: name another one for the copy"
        case .full(let path, let byteCount):
            "the store \(path) may hold \(byteCount) bytes at most: remove from it what is not needed, or raise "
                + "the limit on addresses where there is one (ulimit -v)"
        case .sameProcessNumber(let path, let number):
            "the store \(path) is in use by a process of another container that has the same number there as this "
                + "one (\(number)): run commands in the container that serves, and give each its own home folder"
        case .noAddresses(let path, let byteCount):
            "opening the store \(path) takes \(byteCount) bytes of addresses, and this process may not have so many: "
                + "raise the limit (ulimit -v, LimitAS in a unit)"
        case .refused(let path, let call, let code):
            "the store \(path) cannot be used (\(call): \(code)): \(code.advice)"
        }
    }

    private static let restore = "stop the node, move the file away, and restore it from a backup"
}

/// What is not as it was written, and where; numbers and names of tables, never a stored byte.
package enum Damage: Error, Equatable, Sendable {
    /// One of the two pages with the newest state: its number, and what it has wrong.
    case meta(Int, String)
    /// A page: its number, and what it has wrong.
    case page(UInt64, String)
    /// A page that is used twice, or is both used and free.
    case usedTwice(UInt64)
    /// A tree's own count, of pages or entries, is not what is there.
    case wrongCount(table: String)
    /// A value whose checksum is not that of its table, its key and itself; which one of the table, in order.
    case value(table: String, index: Int)
    /// The record of what the store is cannot be understood.
    case schema
}

extension Damage: CustomStringConvertible {
    /// The damage in a few words.
    package var description: String {
        switch self {
        case .meta(let number, let fault): "meta page \(number): \(fault)"
        case .page(let number, let fault): "page \(number): \(fault)"
        case .usedTwice(let number): "page \(number) is used twice"
        case .wrongCount(let table): "table \(table.debugDescription): its counts are wrong"
        case .value(let table, let index):
            "table \(table.debugDescription): value \(index) has a wrong checksum"
        case .schema: "its schema record makes no sense"
        }
    }
}
