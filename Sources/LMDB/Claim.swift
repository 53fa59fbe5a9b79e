internal import Synchronization

/// The right of this process to open a store, given back with the value.
///
/// LMDB must not have one file open twice in a process: closing either gives up the locks of both.
struct Claim: ~Copyable {
    private struct Place: Hashable {
        let folder: [UInt64]
        let name: Substring
    }

    private static let taken = Mutex<Set<Place>>([])

    private let place: Place

    /// Claims a path, whose file need not exist yet; by its folder's identity, so that no detour leads round
    /// it.
    init(_ path: String) throws(LMDBError) {
        let folder = SystemFile.folder(of: path)
        // The slash makes the system follow a link to the folder.
        guard let status = try SystemFile.status(of: folder + "/") else {
            throw .refused(path: path, call: "lstat", ResultCode(rawValue: 2))
        }
        let name = path.lastIndex(of: "/").map { path[path.index(after: $0)...] } ?? path[...]
        let wanted = Place(folder: status.identity, name: name)
        guard Self.taken.withLock({ $0.insert(wanted).inserted }) else { throw .alreadyOpen(path: path) }
        place = wanted
    }

    deinit {
        let place = place
        _ = Self.taken.withLock { $0.remove(place) }
    }
}
