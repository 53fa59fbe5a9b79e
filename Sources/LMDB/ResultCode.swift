internal import CLMDB
internal import Glibc

/// The LMDB that this process uses.
package enum LMDBVersion {
    /// As the library tells it: `0.9.24`.
    package static var text: String {
        var (major, minor, patch): (Int32, Int32, Int32) = (0, 0, 0)
        _ = unsafe mdb_version(&major, &minor, &patch)
        return "\(major).\(minor).\(patch)"
    }
}

/// What a call of LMDB or of the system answered: negative numbers are LMDB's, positive ones `errno`'s.
///
/// The names are LMDB's own, so that its manual can be searched for them; codes that have no name here
/// survive.
package struct ResultCode: RawRepresentable, Hashable, Sendable {
    /// The number itself.
    package let rawValue: Int32

    /// Takes any number, known or not.
    package init(rawValue: Int32) { self.rawValue = rawValue }

    /// The call succeeded.
    package static let MDB_SUCCESS = ResultCode(rawValue: CLMDB.MDB_SUCCESS)
    /// The key is there already.
    package static let MDB_KEYEXIST = ResultCode(rawValue: CLMDB.MDB_KEYEXIST)
    /// The key or the table is not there.
    package static let MDB_NOTFOUND = ResultCode(rawValue: CLMDB.MDB_NOTFOUND)
    /// A page that should be there is not.
    package static let MDB_PAGE_NOTFOUND = ResultCode(rawValue: CLMDB.MDB_PAGE_NOTFOUND)
    /// A page is of the wrong kind.
    package static let MDB_CORRUPTED = ResultCode(rawValue: CLMDB.MDB_CORRUPTED)
    /// An earlier failure made the environment unusable until it is opened again.
    package static let MDB_PANIC = ResultCode(rawValue: CLMDB.MDB_PANIC)
    /// The file or its lock file is of another version of LMDB.
    package static let MDB_VERSION_MISMATCH = ResultCode(rawValue: CLMDB.MDB_VERSION_MISMATCH)
    /// The file is none of LMDB's.
    package static let MDB_INVALID = ResultCode(rawValue: CLMDB.MDB_INVALID)
    /// The memory map is used up.
    package static let MDB_MAP_FULL = ResultCode(rawValue: CLMDB.MDB_MAP_FULL)
    /// There are more tables than were announced.
    package static let MDB_DBS_FULL = ResultCode(rawValue: CLMDB.MDB_DBS_FULL)
    /// There are more readers at once than places for them.
    package static let MDB_READERS_FULL = ResultCode(rawValue: CLMDB.MDB_READERS_FULL)
    /// One transaction changes too many pages.
    package static let MDB_TXN_FULL = ResultCode(rawValue: CLMDB.MDB_TXN_FULL)
    /// Another process made the file grow beyond this one's memory map.
    package static let MDB_MAP_RESIZED = ResultCode(rawValue: CLMDB.MDB_MAP_RESIZED)
    /// The table is of another kind than asked for.
    package static let MDB_INCOMPATIBLE = ResultCode(rawValue: CLMDB.MDB_INCOMPATIBLE)
    /// An earlier failure in the same transaction, which can only be abandoned now.
    package static let MDB_BAD_TXN = ResultCode(rawValue: CLMDB.MDB_BAD_TXN)
    /// A key without bytes, or a key or value with too many.
    package static let MDB_BAD_VALSIZE = ResultCode(rawValue: CLMDB.MDB_BAD_VALSIZE)
    /// A table's handle that is none.
    package static let MDB_BAD_DBI = ResultCode(rawValue: CLMDB.MDB_BAD_DBI)

    /// Lets a `switch` over a number name the code.
    package static func ~= (code: ResultCode, number: Int32) -> Bool { code.rawValue == number }
}

extension ResultCode {
    /// What to do where a file could not be used for this reason.
    package var advice: String {
        switch rawValue {
        case ENOSPC, EDQUOT, EFBIG: "make room for it"
        // LMDB says so when less was written than it wanted.
        case EIO: "make room for it where its disk is full, and look at the disk otherwise"
        case ENOMEM: "let the process have more memory and addresses (ulimit -v)"
        case EMFILE, ENFILE: "raise the limit on open files (ulimit -n)"
        case EROFS: "nothing can be written there, and only commands that change nothing work"
        case Self.MDB_MAP_RESIZED.rawValue:
            "another process made it larger than this one can see; raise the limit on addresses (ulimit -v)"
        default: "make it accessible, and look at the disk"
        }
    }
}

extension ResultCode: CustomStringConvertible {
    /// The code in the words of LMDB or, for the system's codes, of the system.
    package var description: String {
        guard let words = unsafe mdb_strerror(rawValue) else { return "code \(rawValue)" }
        return unsafe String(cString: words)
    }
}
