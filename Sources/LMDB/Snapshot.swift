internal import CLMDB
internal import Glibc

/// One state of a store that cannot be locked, because nothing can be written where it stands, copied into memory.
///
/// Others may write to it all the same: from another container, or by another way to the same folder. LMDB would read
/// pages while they are used again, and believe them.
struct Snapshot: ~Copyable {
    /// How often a copy begins again because commits overtook it.
    private static let attempts = 100
    private static let pieceByteCount = 1 << 20
    /// What is copied at most, in bytes: a keyring has some hundred thousand.
    private static let byteCountLimit = 1 << 28

    let file: SystemFile.Descriptor

    /// Where LMDB finds it, while this value lives.
    var path: String { "/proc/self/fd/\(file.number)" }

    /// Copies the newest state of a store.
    init(of path: String) throws(LMDBError) {
        let source = try SystemFile.Descriptor(opening: path, O_RDONLY | O_NOFOLLOW)
        for _ in 0..<Self.attempts {
            let copy = SystemFile.Descriptor(taking: shim_memory_file(), path: path)
            guard copy.number >= 0 else {
                throw .refused(path: path, call: "memfd_create", SystemFile.systemCode())
            }
            try Self.copy(source, to: copy)
            let newest = try Self.state(of: source)
            // Pages of a state are used again by the third commit after it at the earliest.
            if let copied = try? Self.state(of: copy), newest <= copied + 1 {
                file = copy
                return
            }
        }
        throw .refused(path: path, call: "read", ResultCode(rawValue: EAGAIN))
    }

    /// Copies from the beginning on: what says which state is the newest comes first.
    private static func copy(
        _ source: borrowing SystemFile.Descriptor, to copy: borrowing SystemFile.Descriptor
    ) throws(LMDBError) {
        var offset = 0
        while true {
            let piece = try SystemFile.read(
                source.number, at: offset, count: pieceByteCount, path: source.path)
            guard !piece.isEmpty else { return }
            offset += piece.count
            guard offset <= byteCountLimit else {
                throw .refused(path: source.path, call: "read", ResultCode(rawValue: EFBIG))
            }
            try copy.write(piece)
        }
    }

    private static func state(of file: borrowing SystemFile.Descriptor) throws(LMDBError) -> UInt64 {
        try Meta.pair(file.number, path: file.path).map(\.number).max() ?? 0
    }
}
