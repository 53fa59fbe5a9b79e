internal import CProcess
internal import Glibc
internal import LMDB

/// This program once more, as a process of its own.
///
/// Not Foundation's `Process`, whose arguments are UTF-8 only.
///
/// Safety: arguments are copied for C and given back when the process has its own.
package struct OwnProgram {
    /// The system did not start it, for this reason.
    package struct Failure: Error, CustomStringConvertible {
        let code: Int32

        package var description: String { systemReason(code) }
    }

    /// Where its file is; `nil` where the system does not tell.
    package static var path: String? {
        var bytes = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = unsafe readlink("/proc/self/exe", &bytes, bytes.count)
        guard count > 0 else { return nil }
        return SystemText.text(bytes[..<count].map { UInt8(bitPattern: $0) })
    }

    private let id: pid_t

    /// Starts it with these arguments and nothing to read; it writes to the same places as this process.
    package init(starting arguments: [String]) throws(Failure) {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        var words = unsafe (["cway"] + arguments).map { unsafe strdup($0.systemName) } + [nil]
        defer { unsafe words.forEach { unsafe free($0) } }
        var id: pid_t = 0
        // A name like "cway" may have been found through PATH; the system knows the file.
        let code = unsafe posix_spawn(
            &id, "/proc/self/exe", &actions, nil, &words,
            UnsafeMutablePointer(mutating: shim_process_environment()))
        guard code == 0 else { throw Failure(code: code) }
        self.id = id
    }

    /// Waits for its end, and returns the status that waitpid(2) gives.
    package func wait() -> Int32 {
        var status: Int32 = 0
        while unsafe waitpid(id, &status, 0) < 0, errno == EINTR {}
        return status
    }
}
