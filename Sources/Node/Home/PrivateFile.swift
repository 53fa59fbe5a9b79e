internal import Glibc
internal import LMDB
internal import TypedSodium

/// Files that hold secrets, through the system's own calls: the contents pass through no buffer but ours.
///
/// Safety: with ``SecretText``, the only place of this module that spells `unsafe`. Paths are lent to C for the
/// length of a call, and every transfer is bounded by the array it goes to or comes from.
enum PrivateFile {
    /// A system call that failed, and why.
    struct Failure: Error, Equatable {
        let call: String
        let code: Int32
    }

    /// What is known of a file before it is read.
    struct Status: Equatable {
        let isRegular: Bool
        let isFolder: Bool
        /// The nine permission bits.
        let permissions: Int
        let byteCount: Int
    }

    /// An open file, closed with the value.
    struct Descriptor: ~Copyable {
        let number: Int32

        init(opening path: String, _ flags: Int32, permissions: mode_t = 0) throws(Failure) {
            number = unsafe open(path.systemName, flags | O_CLOEXEC, permissions)
            guard number >= 0 else { throw Failure(call: "open", code: errno) }
        }

        deinit { _ = close(number) }

        func status() throws(Failure) -> Status {
            var raw = stat()
            guard unsafe fstat(number, &raw) == 0 else { throw Failure(call: "fstat", code: errno) }
            return Status(raw)
        }

        /// Reads up to `limit` bytes, into one allocation that the caller can wipe.
        func read(limit: Int) throws(Failure) -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: limit)
            var filled = 0
            while filled < limit {
                let count = unsafe bytes.withUnsafeMutableBytes { buffer in
                    unsafe Glibc.read(number, buffer.baseAddress?.advanced(by: filled), limit - filled)
                }
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else {
                    let failure = Failure(call: "read", code: errno)
                    wipe(&bytes)
                    throw failure
                }
                guard count > 0 else { break }
                filled += count
            }
            bytes.removeLast(limit - filled)
            return bytes
        }

        func write(_ bytes: [UInt8]) throws(Failure) {
            var written = 0
            while written < bytes.count {
                let count = unsafe bytes.withUnsafeBytes { buffer in
                    unsafe Glibc.write(
                        number, buffer.baseAddress?.advanced(by: written), bytes.count - written)
                }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw Failure(call: "write", code: errno) }
                written += count
            }
        }

        func synchronize() throws(Failure) {
            guard fsync(number) == 0 else { throw Failure(call: "fsync", code: errno) }
        }
    }

    /// What stands at a path, following links; `nil` for nothing.
    static func status(of path: String) throws(Failure) -> Status? {
        var raw = stat()
        guard unsafe stat(path.systemName, &raw) == 0 else {
            guard errno == ENOENT else { throw Failure(call: "stat", code: errno) }
            return nil
        }
        return Status(raw)
    }

    /// Makes a folder that only its owner may enter; one that is there already is left as it is.
    static func createFolder(_ path: String) throws(Failure) {
        guard unsafe mkdir(path.systemName, 0o700) != 0, errno != EEXIST else { return }
        throw Failure(call: "mkdir", code: errno)
    }

    /// Makes a file of mode 0600 with these contents, all at once: whoever sees it sees it whole, on disk.
    ///
    /// The contents are written beside it and linked to its name, which fails where the name is taken; a crash
    /// leaves at most the draft behind, of mode 0600 as well.
    ///
    /// - Returns: whether this call made the file; `false` when the name was taken, by whatever.
    static func create(
        _ name: String, in folder: String, contents: [UInt8], draft: String
    ) throws(Failure) -> Bool {
        let draftPath = "\(folder)/\(draft)"
        let isLinked = try link(draftPath, as: "\(folder)/\(name)", contents: contents)
        if isLinked { try Descriptor(opening: folder, O_RDONLY | O_DIRECTORY).synchronize() }
        return isLinked
    }

    private static func link(_ draft: String, as path: String, contents: [UInt8]) throws(Failure) -> Bool {
        let file = try Descriptor(
            opening: draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, permissions: 0o600)
        defer { _ = unsafe unlink(draft.systemName) }
        try file.write(contents)
        try file.synchronize()
        guard unsafe Glibc.link(draft.systemName, path.systemName) == 0 else {
            guard errno == EEXIST else { throw Failure(call: "link", code: errno) }
            return false
        }
        return true
    }
}

extension PrivateFile.Status {
    init(_ raw: stat) {
        let kind = raw.st_mode & S_IFMT
        isRegular = kind == S_IFREG
        isFolder = kind == S_IFDIR
        permissions = Int(raw.st_mode & 0o777)
        byteCount = Int(raw.st_size)
    }
}

/// A system error in the system's own words.
func systemReason(_ code: Int32) -> String { unsafe String(cString: strerror(code)) }

/// Permission bits as `chmod` writes them.
func octal(_ permissions: Int) -> String {
    let digits = String(permissions, radix: 8)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
}
