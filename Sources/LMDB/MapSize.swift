internal import Glibc

/// How many addresses a store's map takes.
///
/// Addresses cost nothing, unless the process may have only so many (RLIMIT_AS).
enum MapSize {
    /// What a map has beyond the file at least, in bytes: room for some thousand records more.
    private static let leastRoom = 2 << 20

    /// The size that was asked for, or what this process can have: a half of what it could, because memory and threads
    /// need addresses too, and never less than the file and a little more.
    ///
    /// - Throws: ``LMDBError/noAddresses(path:byteCount:)`` when it cannot have the least.
    static func available(for path: String, wanted: Int) throws(LMDBError) -> Int {
        guard !fits(wanted) else { return wanted }
        let fileByteCount = try SystemFile.status(of: path)?.byteCount ?? 0
        let least = min(fileByteCount + leastRoom, wanted)
        var size = wanted / 2
        while size / 2 >= least {
            if fits(size) { return size / 2 / pageByteCount * pageByteCount }
            size /= 2
        }
        guard fits(least) else { throw .noAddresses(path: path, byteCount: least) }
        return least
    }

    private static let pageByteCount = Int(sysconf(Int32(_SC_PAGESIZE)))

    /// Whether so many addresses can be had in one piece, at this moment.
    ///
    /// Safety: the addresses are given back before anybody sees them.
    private static func fits(_ byteCount: Int) -> Bool {
        let map = unsafe mmap(nil, byteCount, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let map = unsafe map, unsafe map != MAP_FAILED else { return false }
        _ = unsafe munmap(map, byteCount)
        return true
    }
}
