internal import CProcess
internal import Glibc
internal import LMDB

/// Another program of this machine, run to its end.
///
/// Safety: arguments are copied for C and given back when the program has its own; what it says is read within the
/// count of its array.
package struct ProgramRun: Sendable {
    /// The system did not start it.
    package struct Failure: Error, CustomStringConvertible {
        let program: String
        let code: Int32

        package var description: String { "\(program) could not be started: \(systemReason(code))" }
    }

    /// How much of what it says is kept, in bytes.
    private static let outputByteCountLimit = 64 << 10

    /// The code that it ended with; 128 and more where a signal ended it.
    package let code: Int32
    /// What it said, to its results and its complaints.
    package let output: String

    /// Runs a program that is found as a shell would find it, with nothing to read.
    package init(_ words: [String]) throws(Failure) {
        let name = words.first ?? ""
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else { throw Failure(program: name, code: errno) }
        let (reading, writing) = (ends[0], ends[1])
        defer { close(reading) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        for stream in [STDOUT_FILENO, STDERR_FILENO] {
            unsafe posix_spawn_file_actions_adddup2(&actions, writing, stream)
        }
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        // This thread may have signals blocked, and this process ignores some: that is nothing for others.
        var (none, ignored) = (sigset_t(), sigset_t())
        unsafe sigemptyset(&none)
        unsafe sigemptyset(&ignored)
        for signal in [SIGPIPE, SIGXFSZ] { unsafe sigaddset(&ignored, signal) }
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setsigdefault(&attributes, &ignored)
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var arguments = unsafe words.map { unsafe strdup($0.systemName) } + [nil]
        defer { unsafe arguments.forEach { unsafe free($0) } }
        var id: pid_t = 0
        let result = unsafe posix_spawnp(
            &id, name, &actions, &attributes, &arguments,
            UnsafeMutablePointer(mutating: shim_process_environment()))
        close(writing)
        guard result == 0 else { throw Failure(program: name, code: result) }
        output = Self.read(reading)
        var ending: Int32 = 0
        while unsafe waitpid(id, &ending, 0) < 0, errno == EINTR {}
        // See wait(2): the low seven bits are the signal, the next eight the code.
        code = ending & 0x7F == 0 ? ending >> 8 & 0xFF : 128 + ending & 0x7F
    }

    /// All that comes, of which the beginning is kept.
    private static func read(_ descriptor: Int32) -> String {
        var kept: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = unsafe Glibc.read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            kept += piece[..<min(count, outputByteCountLimit - kept.count)]
        }
        return String(decoding: kept, as: UTF8.self)
    }
}
