internal import CLMDB
internal import Glibc

/// What a look at every page and every value of a healthy store counted.
package struct CheckReport: Equatable, Sendable {
    /// The number of entries of each table, the store's own `schema` among them.
    package internal(set) var tables: [String: Int] = [:]
    /// Pages in use.
    package internal(set) var usedPageCount = 0
    /// Pages to be used again.
    package internal(set) var freePageCount = 0
}

/// Looks at every page and every value of a store.
package enum EnvironmentCheck {
    /// How often the walk begins again because commits overtake it before it has found its state.
    private static let attempts = 100

    /// Walks a store that this process does not have open; another process may, and may write meanwhile.
    ///
    /// Damage is thrown, not died of: the walk maps nothing. What damages the file underneath LMDB's own few
    /// looks at it can still end the process, so a command that has time runs this in a child and reports the
    /// child's signal.
    ///
    /// - Throws: ``LMDBError``, also when the file is none to be opened; see ``Environment``.
    package static func walk(_ path: String) throws(LMDBError) -> CheckReport {
        let claim = try Claim(path)
        try inspect(path)
        let handle = try EnvironmentHandle(
            opening: path, claim: claim, mapByteCount: Environment.defaultMapByteCount, tableLimit: 1,
            readOnly: true)
        return try walk(handle)
    }

    /// Looks at what can be seen from outside, before LMDB maps the file.
    static func inspect(_ path: String, mapByteCount: Int = Environment.defaultMapByteCount) throws(LMDBError)
    {
        guard let status = try SystemFile.status(of: path) else { throw .missing(path: path) }
        guard status.isRegular else { throw .notAFile(path: path) }
        guard status.permissions & 0o077 == 0 else {
            throw .exposed(path: path, permissions: status.permissions)
        }
        guard status.byteCount > 0 else { throw .empty(path: path) }
        let file = try SystemFile.Descriptor(opening: path, O_RDONLY | O_NOFOLLOW)
        for meta in try Meta.pair(file.number, path: path) {
            let expected = Int(meta.lastPage + 1) * meta.pageByteCount
            // A map of that size could not be had; a file this short never had so many pages.
            guard expected <= mapByteCount else {
                throw .truncated(path: path, byteCount: status.byteCount, expected: expected)
            }
        }
    }

    /// Walks an open store in the state of its newest commit.
    static func walk(_ handle: borrowing EnvironmentHandle) throws(LMDBError) -> CheckReport {
        let descriptor = try handle.descriptor
        let path = handle.path
        for _ in 0..<attempts {
            // The transaction keeps the pages of its state from being used again. Its meta page is not kept:
            // two commits later it describes another state.
            let report = try handle.read(tables: [:]) { (transaction) throws(LMDBError) -> CheckReport? in
                let metas = try Meta.pair(descriptor, path: path)
                guard let meta = metas.first(where: { $0.number == UInt64(transaction.number) }) else {
                    return nil
                }
                try checkNumber(of: metas, below: meta, descriptor, path: path)
                return try StoreWalk.walk(descriptor, path: path, meta: meta)
            }
            if let report { return report }
        }
        throw .refused(path: path, call: "pread", ResultCode(rawValue: EAGAIN))
    }

    /// Checks that the state before is not a later one whose number was damaged: LMDB would lose a commit.
    ///
    /// LMDB uses no page of the state before until the next commit but one, so it can still be walked.
    private static func checkNumber(
        of metas: [Meta], below newest: Meta, _ descriptor: Int32, path: String
    ) throws(LMDBError) {
        guard let before = metas.first(where: { $0.number + 1 == newest.number }) else { return }
        let walked = Result { () throws(LMDBError) in
            try StoreWalk.walk(descriptor, path: path, meta: before.renumbered)
        }
        guard case .success = walked else { return }
        throw .damaged(path: path, .meta(Int(before.number % 2), "not the number of its state"))
    }
}
