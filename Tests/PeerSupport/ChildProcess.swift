internal import Dispatch
package import Foundation
internal import Glibc
internal import Synchronization

/// A process that was spawned, and a thread that waits for its end: the one way in which tests and benchmarks start one.
///
/// Not Foundation's `Process`, which was seen to report no end of a child that had ended.
package final class ChildProcess: Sendable {
    /// How it ended: its code, or the signal that ended it.
    package enum Ending: Equatable, Sendable {
        case exit(Int32)
        case signal(Int32)
    }

    /// A system call failed.
    package struct Failure: Error {
        let call: String
        let code: Int32
    }

    package let id: pid_t
    private let reaped = Mutex<Ending?>(nil)
    private let hasEnded = DispatchSemaphore(value: 0)

    /// What tests are told by the environment, which a program of ours would say that it does not know.
    private static let testVariables: Set = ["CWAY_REQUIRE_PEERS", "CWAY_LONG", "CWAY_PICTURES"]

    /// Spawns a program with these for its standard input, output and error.
    ///
    /// They are handles because a descriptor closes with its handle, which nothing else may hold by then.
    ///
    /// In a group of its own, a Ctrl-C on the terminal is for this process alone. `ended` is called once, on the thread.
    package init(
        _ program: String, _ arguments: [String], environment: [String: String], streams: [FileHandle],
        inOwnGroup: Bool = false, ended: @escaping @Sendable (Ending) -> Void = { _ in }
    ) throws {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        for (target, stream) in streams.enumerated() {
            unsafe posix_spawn_file_actions_adddup2(&actions, stream.fileDescriptor, Int32(target))
        }
        // What the child inherited would stay open when the test closes it: sockets, and ends of other pipes.
        for descriptor in try Self.openDescriptors() where descriptor > 2 {
            unsafe posix_spawn_file_actions_addclose(&actions, descriptor)
        }
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        // Threads of a pool have signals blocked, and a child would too: a shell then never hears of its own children.
        var noSignals = sigset_t()
        unsafe sigemptyset(&noSignals)
        unsafe posix_spawnattr_setsigmask(&attributes, &noSignals)
        let flags = POSIX_SPAWN_SETSIGMASK | (inOwnGroup ? POSIX_SPAWN_SETPGROUP : 0)
        unsafe posix_spawnattr_setflags(&attributes, Int16(flags))
        var words = unsafe ([program] + arguments).map { unsafe strdup($0) } + [nil]
        let told = environment.filter { !Self.testVariables.contains($0.key) }
        var variables = unsafe told.map { unsafe strdup("\($0.key)=\($0.value)") } + [nil]
        defer { unsafe (words + variables).forEach { unsafe free($0) } }
        var id: pid_t = 0
        let code = withExtendedLifetime(streams) {
            unsafe posix_spawn(&id, program, &actions, &attributes, &words, &variables)
        }
        guard code == 0 else { throw Failure(call: "posix_spawn", code: code) }
        self.id = id
        Thread.detachNewThread { [self] in
            let ending = wait()
            hasEnded.signal()
            ended(ending)
        }
    }

    /// The executable of that name beside the one that runs: the package manager puts tests and programs into one folder.
    package static func built(_ name: String) -> URL {
        URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().appendingPathComponent(name)
    }

    /// How it ended; `nil` while it runs.
    package var ending: Ending? { reaped.withLock(\.self) }

    /// Blocks until it has ended.
    @discardableResult
    package func waitUntilEnded() -> Ending? {
        hasEnded.wait()
        hasEnded.signal()
        return ending
    }

    /// Sends a signal, unless the process has ended: its number may be another's then.
    package func signal(_ number: Int32) {
        reaped.withLock { ending in
            if ending == nil { _ = kill(id, number) }
        }
    }

    private static func openDescriptors() throws -> [Int32] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap { Int32($0) }
    }

    private func wait() -> Ending {
        var how = unsafe siginfo_t()
        // Without taking the end, so that the number stays the child's until nobody signals it any more.
        while unsafe waitid(P_PID, id_t(id), &how, WEXITED | WNOWAIT) < 0, errno == EINTR {}
        return reaped.withLock { reaped in
            var status: Int32 = 0
            unsafe waitpid(id, &status, 0)
            // See wait(2): the low seven bits are the signal, the next eight the code.
            let ending = status & 0x7F == 0 ? Ending.exit(status >> 8 & 0xFF) : .signal(status & 0x7F)
            reaped = ending
            return ending
        }
    }
}
