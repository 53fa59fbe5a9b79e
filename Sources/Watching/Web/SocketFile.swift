internal import Glibc

/// A socket in the file system.
enum SocketFile {
    /// Lets its user and group use it, and nobody else.
    static func open(_ path: String) {
        // Where it is refused the mask of the process decides, as for any file.
        _ = unsafe chmod(path, 0o660)
    }
}
