internal import Glibc

/// Files through the system's own calls, for what has to be known before LMDB maps one into memory.
///
/// Safety: paths are lent to C for the length of a call, and every read is bounded by the array that it
/// fills.
enum SystemFile {
    /// What is known of a file before it is opened.
    struct Status: Equatable {
        let isRegular: Bool
        /// The nine permission bits.
        let permissions: Int
        let byteCount: Int
        /// Device and inode, together the same for no other file.
        let identity: [UInt64]

        init(_ raw: stat) {
            isRegular = raw.st_mode & S_IFMT == S_IFREG
            permissions = Int(raw.st_mode & 0o777)
            byteCount = Int(raw.st_size)
            identity = [UInt64(raw.st_dev), UInt64(raw.st_ino)]
        }
    }

    /// An open file, closed with the value.
    struct Descriptor: ~Copyable {
        let number: Int32
        let path: String

        init(opening path: String, _ flags: Int32, permissions: mode_t = 0) throws(LMDBError) {
            self.path = path
            number = unsafe open(path.systemName, flags | O_CLOEXEC, permissions)
            guard number >= 0 else { throw .refused(path: path, call: "open", systemCode()) }
        }

        /// Takes over a descriptor; `path` is for messages.
        init(taking number: Int32, path: String) {
            self.number = number
            self.path = path
        }

        deinit { _ = close(number) }

        func write(_ bytes: [UInt8]) throws(LMDBError) {
            var written = 0
            while written < bytes.count {
                let count = unsafe bytes.withUnsafeBytes { buffer in
                    unsafe Glibc.write(
                        number, buffer.baseAddress?.advanced(by: written), bytes.count - written)
                }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw .refused(path: path, call: "write", systemCode()) }
                written += count
            }
        }

        func synchronize() throws(LMDBError) {
            guard fsync(number) == 0 else { throw .refused(path: path, call: "fsync", systemCode()) }
        }
    }

    /// What stands at a path, without following links; `nil` for nothing.
    static func status(of path: String) throws(LMDBError) -> Status? {
        var raw = stat()
        guard unsafe lstat(path.systemName, &raw) == 0 else {
            guard errno == ENOENT else { throw .refused(path: path, call: "lstat", systemCode()) }
            return nil
        }
        return Status(raw)
    }

    /// What stands behind an open file.
    static func status(of descriptor: Int32, path: String) throws(LMDBError) -> Status {
        var raw = stat()
        guard unsafe fstat(descriptor, &raw) == 0 else {
            throw .refused(path: path, call: "fstat", systemCode())
        }
        return Status(raw)
    }

    /// The bytes from an offset on, fewer only where the file ends.
    static func read(
        _ descriptor: Int32, at offset: Int, count: Int, path: String
    ) throws(LMDBError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let taken = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe pread(
                    descriptor, buffer.baseAddress?.advanced(by: filled), count - filled, offset + filled)
            }
            if taken < 0, errno == EINTR { continue }
            guard taken >= 0 else { throw .refused(path: path, call: "pread", systemCode()) }
            guard taken > 0 else { break }
            filled += taken
        }
        bytes.removeLast(count - filled)
        return bytes
    }

    /// Gives a finished draft its name, durably, where that name is free.
    ///
    /// - Returns: whether the name was free.
    static func publish(_ draft: String, as path: String) throws(LMDBError) -> Bool {
        guard unsafe link(draft.systemName, path.systemName) == 0 else {
            guard errno == EEXIST else { throw .refused(path: path, call: "link", systemCode()) }
            return false
        }
        try Descriptor(opening: folder(of: path), O_RDONLY | O_DIRECTORY).synchronize()
        return true
    }

    /// Removes a file that may not be there.
    static func remove(_ path: String) { _ = unsafe unlink(path.systemName) }

    /// The folder in which a file stands.
    static func folder(of path: String) -> String {
        // By bytes: a mark behind a slash would be one character with it.
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// A name for a draft beside a file, which no other process uses.
    static func draft(of path: String) -> String { path + draftMark + String(getpid()) }

    private static let draftMark = "-draft-"

    static func systemCode() -> ResultCode { ResultCode(rawValue: errno) }
}

/// What the system knows of files that are open.
package enum OpenFile {
    /// The twelve bits of its mode that say who may do what; `nil` with the reason in `errno` where it is closed.
    package static func permissions(of descriptor: Int32) -> Int? {
        var raw = stat()
        guard unsafe fstat(descriptor, &raw) == 0 else { return nil }
        return Int(raw.st_mode & 0o7777)
    }
}
