import Foundation
import Glibc
import Synchronization

/// A process that was spawned, and a thread that waits for its end.
///
/// Not Foundation's `Process`, which was seen to report no end of a child that had ended.
final class ChildProcess: Sendable {
    /// A system call failed.
    struct Failure: Error {
        let call: String
        let code: Int32
    }

    let id: pid_t
    private let isReaped = Mutex(false)

    /// Spawns a program whose standard input, output and error are to be these descriptors.
    ///
    /// `ended` is called once on the thread, with the status that waitpid(2) gives.
    init(
        _ program: String, _ arguments: [String], environment: [String: String], descriptors: [Int32],
        ended: @escaping @Sendable (Int32) -> Void
    ) throws {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        for (target, descriptor) in descriptors.enumerated() {
            unsafe posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(target))
        }
        // What the child inherited would stay open when the test closes it: sockets, and ends of other pipes.
        for descriptor in try Self.openDescriptors() where descriptor > 2 {
            unsafe posix_spawn_file_actions_addclose(&actions, descriptor)
        }
        var words = unsafe ([program] + arguments).map { unsafe strdup($0) } + [nil]
        var variables = unsafe environment.map { unsafe strdup("\($0.key)=\($0.value)") } + [nil]
        defer { unsafe (words + variables).forEach { unsafe free($0) } }
        var id: pid_t = 0
        let code = unsafe posix_spawn(&id, program, &actions, nil, &words, &variables)
        guard code == 0 else { throw Failure(call: "posix_spawn", code: code) }
        self.id = id
        Thread.detachNewThread { [self] in ended(wait()) }
    }

    /// Sends a signal, unless the process has ended: its number may be another's then.
    func signal(_ number: Int32) {
        isReaped.withLock { isReaped in
            if !isReaped { _ = kill(id, number) }
        }
    }

    private static func openDescriptors() throws -> [Int32] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap { Int32($0) }
    }

    private func wait() -> Int32 {
        var how = unsafe siginfo_t()
        // Without taking the end, so that the number stays the child's until nobody signals it any more.
        while unsafe waitid(P_PID, id_t(id), &how, WEXITED | WNOWAIT) < 0, errno == EINTR {}
        return isReaped.withLock { isReaped in
            isReaped = true
            var status: Int32 = 0
            unsafe waitpid(id, &status, 0)
            return status
        }
    }
}
