internal import CProcess
internal import Glibc
internal import LMDB

/// This program once more, as a process of its own; or another one in its place.
///
/// Not Foundation's `Process`, whose arguments are UTF-8 only, and which brings ten times of what it does along.
///
/// Safety: arguments and variables are copied for C and given back when the process has its own.
package struct OwnProgram: Sendable {
    /// The system did not do it, for this reason.
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

    /// What a process has of its own, in the place of what this one has.
    package struct Surroundings: Sendable {
        /// All its variables.
        package var environment: [String: String]
        /// A descriptor of this process, which becomes its standard input.
        package var input: Int32
        /// The file that it writes to, which must not be there yet and is for this user alone.
        package var outputPath: String
        /// The same for what goes to standard error.
        package var errorPath: String
        /// The file of another program, where it is not this one that is started.
        package var program: String?

        /// Puts them together.
        package init(
            environment: [String: String], input: Int32, outputPath: String, errorPath: String,
            program: String? = nil
        ) {
            self.program = program
            self.environment = environment
            self.input = input
            self.outputPath = outputPath
            self.errorPath = errorPath
        }
    }

    /// Its number with the system, which is another's once its end was taken.
    package let id: Int32

    /// Starts it with these arguments and nothing to read; it writes to the same places as this process.
    package init(starting arguments: [String]) throws(Failure) {
        id = try Self.spawn(arguments, in: nil)
    }

    /// Starts it with these arguments in surroundings of its own, and out of reach of this terminal's Ctrl-C.
    package init(starting arguments: [String], in surroundings: Surroundings) throws(Failure) {
        id = try Self.spawn(arguments, in: surroundings)
    }

    private static func spawn(
        _ arguments: [String], in surroundings: Surroundings?
    ) throws(Failure) -> pid_t {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        if let surroundings {
            unsafe posix_spawn_file_actions_adddup2(&actions, surroundings.input, STDIN_FILENO)
            for (path, descriptor) in [
                (surroundings.outputPath, STDOUT_FILENO), (surroundings.errorPath, STDERR_FILENO),
            ] {
                unsafe posix_spawn_file_actions_addopen(
                    &actions, descriptor, path.systemName, O_WRONLY | O_CREAT | O_EXCL, 0o600)
            }
            // What it inherited would stay open when this process closes it: sockets, and ends of other pipes.
            unsafe shim_process_close_from(&actions, STDERR_FILENO + 1)
            // Threads of a pool have signals blocked, and a program that is started there would have too.
            var noSignals = sigset_t()
            unsafe sigemptyset(&noSignals)
            unsafe posix_spawnattr_setsigmask(&attributes, &noSignals)
            unsafe posix_spawnattr_setflags(
                &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
        } else {
            unsafe posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        }
        let program = surroundings?.program
        var words = unsafe ([program ?? "cway"] + arguments).map { unsafe strdup($0.systemName) } + [nil]
        var variables =
            unsafe (surroundings?.environment ?? [:]).map {
                unsafe strdup("\($0.key)=\($0.value)".systemName)
            }
            + [nil]
        defer { unsafe (words + variables).forEach { unsafe free($0) } }
        var id: pid_t = 0
        // A name like "cway" may have been found through PATH; the system knows the file.
        let code =
            surroundings == nil
            ? unsafe posix_spawn(
                &id, "/proc/self/exe", &actions, &attributes, &words,
                UnsafeMutablePointer(mutating: shim_process_environment()))
            : unsafe posix_spawn(
                &id, program ?? "/proc/self/exe", &actions, &attributes, &words, &variables)
        guard code == 0 else { throw Failure(code: code) }
        return id
    }

    /// A pipe to give a process's input: who holds the writing end decides when the input ends.
    package static func inputPipe() throws(Failure) -> (reading: Int32, writing: Int32) {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else { throw Failure(code: errno) }
        return (ends[0], ends[1])
    }

    /// Waits for its end, and returns the status that waitpid(2) gives.
    package func wait() -> Int32 {
        var status: Int32 = 0
        while unsafe waitpid(id, &status, 0) < 0, errno == EINTR {}
        return status
    }

    /// Takes its end where it has ended, as ``wait()`` does; `nil` while it runs.
    package func takeEnd() -> Int32? {
        var status: Int32 = 0
        return unsafe waitpid(id, &status, WNOHANG) == id ? status : nil
    }
}
