internal import CProcess
internal import Glibc

/// What every process does first.
package enum ProcessSetup {
    /// The environment variable that lets a debugger of the same user in: for those who look for a fault.
    package static let debuggingVariable = "CWAY_DEBUGGABLE"

    /// Turns core dumps off, which would put keys on a disk, and keeps other programs of the same user out of this
    /// process's memory.
    ///
    /// A system that refuses either is no reason not to run: no key depends on it.
    package static func protectMemory(environment: [String: String]) {
        var limit = rlimit(rlim_cur: 0, rlim_max: 0)
        _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
        if environment[debuggingVariable] == nil { _ = shim_process_set_dumpable(0) }
    }
}
