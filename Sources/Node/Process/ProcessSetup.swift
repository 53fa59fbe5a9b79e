internal import CProcess
internal import Glibc

/// What every process does first.
package enum ProcessSetup {
    /// The environment variable that lets a debugger of the same user in: for those who look for a fault.
    package static let debuggingVariable = "CWAY_DEBUGGABLE"
    /// Names the cipher; looked at before all settings.
    package static let cipherVariable = "CWAY_CIPHER"

    /// Turns core dumps off, which would put keys on a disk, and keeps other programs of the same user out of this
    /// process's memory.
    ///
    /// A system that refuses either is no reason not to run: no key depends on it.
    package static func protectMemory(environment: [String: String]) {
        var limit = rlimit(rlim_cur: 0, rlim_max: 0)
        _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
        if environment[debuggingVariable] == nil { _ = shim_process_set_dumpable(0) }
    }

    /// Holds the places of standard streams that are closed.
    ///
    /// To be called before anything is opened: the next file, the keyring for example, would get the number of standard
    /// output, and be written what is printed. What holds a place can be neither read nor written, as a closed one.
    package static func holdStandardStreams() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            let flags = descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY
            // The lowest free number is the one; without a /dev, a folder takes nothing either.
            guard unsafe open("/dev/null", flags) < 0 else { continue }
            _ = unsafe open("/", O_RDONLY)
        }
    }

    /// Lets calls fail that would end the process without a word: writing to a reader that is gone, and beyond the
    /// largest size of a file.
    package static func ignoreWriteSignals() {
        _ = signal(SIGPIPE, SIG_IGN)
        _ = signal(SIGXFSZ, SIG_IGN)
    }
}
