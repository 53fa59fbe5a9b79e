internal import CLMDB
internal import Glibc

/// The file beside a store that LMDB maps into memory to write to: its locks, and who reads.
///
/// LMDB makes it as long as it has to be and no more, without blocks. Where the disk has none left, the first write to
/// the map would end the process with SIGBUS; so the blocks are taken before.
///
/// Safety: a path is lent to C for the length of a call.
enum LockFile {
    /// As long as LMDB makes it for its 126 readers, in bytes.
    static let byteCount = 8192

    /// Sees that all of it is on the disk, before LMDB opens it.
    ///
    /// To be called while this process does not have the store open: closing a file gives up the locks on it.
    ///
    /// - Parameters:
    ///   - path: the store.
    ///   - readOnly: whether it may stand where nothing can be written.
    /// - Returns: whether there are locks; without, nobody keeps others from writing while this process reads.
    /// - Throws: ``LMDBError/refused(path:call:_:)`` when there is no room for it, among others.
    static func prepare(beside path: String, readOnly: Bool) throws(LMDBError) -> Bool {
        let lockPath = "\(path)-lock"
        do throws(LMDBError) {
            if try SystemFile.status(of: lockPath) == nil { try create(lockPath) }
            let file = try SystemFile.Descriptor(opening: lockPath, O_RDWR | O_NOFOLLOW)
            guard shim_allocate(file.number, byteCount) < 0, isShortage(errno) else { return true }
            throw .refused(path: lockPath, call: "fallocate", SystemFile.systemCode())
        } catch .refused(_, _, let code) where readOnly && [EROFS, EACCES, EPERM].contains(code.rawValue) {
            return false
        }
    }

    /// Makes one of zeros, at once: what LMDB finds under the name has all its blocks, and no other process's words.
    private static func create(_ path: String) throws(LMDBError) {
        let draft = SystemFile.draft(of: path)
        SystemFile.remove(draft)
        defer { SystemFile.remove(draft) }
        do throws(LMDBError) {
            let file = try SystemFile.Descriptor(
                opening: draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, permissions: 0o600)
            try file.write([UInt8](repeating: 0, count: byteCount))
        } catch .refused(draft, let call, let code) {
            throw .refused(path: path, call: call, code)
        }
        // Where another process was faster, its file is the one.
        guard unsafe link(draft.systemName, path.systemName) == 0 || errno == EEXIST else {
            throw .refused(path: path, call: "link", SystemFile.systemCode())
        }
    }

    /// Whether a refusal means that there is no room; file systems that allocate nothing ahead refuse differently.
    private static func isShortage(_ code: Int32) -> Bool { [ENOSPC, EDQUOT, EFBIG].contains(code) }
}
