internal import Glibc
internal import LMDB

/// A file beside the store, through the system's own calls: what is overwritten is overwritten in place.
///
/// Safety: the only place of this module that spells `unsafe`. Paths are lent to C for the length of a call, and
/// every transfer is bounded by the array it goes to or comes from.
struct KeyringFile: ~Copyable {
    private let number: Int32
    private let path: String

    private init(_ path: String, _ flags: Int32) throws(KeyringError) {
        self.path = path
        number = unsafe Glibc.open(path.systemName, flags | O_CLOEXEC, 0o600)
        guard number >= 0 else {
            // A symbolic link in the place of a file is not followed.
            if errno == ELOOP { throw .exposed(path: path, permissions: 0o777) }
            throw Self.failure(path, "open")
        }
    }

    /// Opens a file that is there.
    init(opening path: String) throws(KeyringError) { try self.init(path, O_RDWR | O_NOFOLLOW) }

    /// Opens a file that is there, and may stand where nothing can be written, to read it.
    init(lookingAt path: String) throws(KeyringError) { try self.init(path, O_RDONLY | O_NOFOLLOW) }

    /// Makes a file of mode 0600.
    init(creating path: String) throws(KeyringError) {
        try self.init(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW)
    }

    /// Opens a file, or makes one of mode 0600 where there is none.
    init(openingOrCreating path: String) throws(KeyringError) {
        try self.init(path, O_RDWR | O_CREAT | O_NOFOLLOW)
    }

    /// Opens a file, of whoever, to read it.
    init(reading path: String) throws(KeyringError) { try self.init(path, O_RDONLY) }

    deinit { _ = close(number) }

    /// The nine permission bits.
    var permissions: Int { get throws(KeyringError) { Int(try status().st_mode & 0o777) } }

    /// Whether it is an ordinary file that its owner alone may open.
    var isPrivate: Bool {
        get throws(KeyringError) {
            let mode = try status().st_mode
            return mode & S_IFMT == S_IFREG && mode & 0o077 == 0
        }
    }

    /// The bytes from an offset on, fewer only where the file ends; in one allocation that the caller can wipe.
    func read(_ count: Int, at offset: Int) throws(KeyringError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let taken = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe pread(
                    number, buffer.baseAddress?.advanced(by: filled), count - filled, offset + filled)
            }
            if taken < 0, errno == EINTR { continue }
            guard taken >= 0 else { throw Self.failure(path, "pread") }
            guard taken > 0 else { break }
            filled += taken
        }
        bytes.removeLast(count - filled)
        return bytes
    }

    /// Overwrites the bytes from an offset on.
    func write(_ bytes: [UInt8], at offset: Int) throws(KeyringError) {
        var written = 0
        while written < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe pwrite(
                    number, buffer.baseAddress?.advanced(by: written), bytes.count - written,
                    offset + written)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Self.failure(path, "pwrite") }
            written += count
        }
    }

    /// Waits until what was written is on the disk.
    func synchronize() throws(KeyringError) {
        guard fdatasync(number) == 0 else { throw Self.failure(path, "fdatasync") }
    }

    /// Takes the file for this process alone, until ``unlock()`` or this process's death.
    ///
    /// - Returns: whether nobody else has it.
    func lock() throws(KeyringError) -> Bool {
        guard flock(number, LOCK_EX | LOCK_NB) != 0 else { return true }
        guard errno == EWOULDBLOCK else { throw Self.failure(path, "flock") }
        return false
    }

    /// Gives the file back.
    ///
    /// Closing it is not enough: a program that this process starts has a copy of the descriptor, and with it the
    /// lock, for the moment between `fork` and `exec`.
    func unlock() { _ = flock(number, LOCK_UN) }

    /// Cuts it off.
    func truncate() throws(KeyringError) {
        guard ftruncate(number, 0) == 0 else { throw Self.failure(path, "ftruncate") }
    }

    /// Whether anything stands at a path.
    static func exists(_ path: String) throws(KeyringError) -> Bool {
        var status = stat()
        guard unsafe lstat(path.systemName, &status) != 0 else { return true }
        guard errno == ENOENT else { throw failure(path, "lstat") }
        return false
    }

    /// Removes a file that may not be there.
    static func remove(_ path: String) { _ = unsafe unlink(path.systemName) }

    /// Waits until the names in the folder of a file are on the disk.
    static func synchronizeFolder(of path: String) throws(KeyringError) {
        let folder = path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[...$0]) } ?? "."
        let number = unsafe Glibc.open(folder.systemName, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0 else { throw failure(folder, "open") }
        defer { _ = close(number) }
        guard fsync(number) == 0 else { throw failure(folder, "fsync") }
    }

    /// The number of this process.
    static var processNumber: Int { Int(getpid()) }

    private func status() throws(KeyringError) -> stat {
        var status = stat()
        guard unsafe fstat(number, &status) == 0 else { throw Self.failure(path, "fstat") }
        return status
    }

    private static func failure(_ path: String, _ call: String) -> KeyringError {
        .system(path: path, call: call, code: errno)
    }
}

/// The right to serve from a keyring, of one process at a time; its death gives it back.
package struct ServingLock: ~Copyable {
    private static let name = "keyring.serving"
    /// More digits than any process number has.
    private static let byteCountLimit = 20

    private let file: KeyringFile

    /// Takes the lock of the keyring in a home folder.
    ///
    /// - Throws: ``KeyringError/alreadyServing(pid:)`` when another process, or another value in this one, has it.
    package init(folder: String) throws(KeyringError) {
        let file = try KeyringFile(openingOrCreating: "\(folder)/\(Self.name)")
        guard try file.lock() else {
            throw .alreadyServing(pid: Self.holder(try file.read(Self.byteCountLimit, at: 0)))
        }
        try file.truncate()
        try file.write(Array("\(KeyringFile.processNumber)\n".utf8), at: 0)
        self.file = file
    }

    deinit { file.unlock() }

    private static func holder(_ bytes: [UInt8]) -> Int? {
        String(validating: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self).flatMap { Int($0) }
    }
}
