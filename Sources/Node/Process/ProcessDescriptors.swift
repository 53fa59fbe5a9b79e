internal import Glibc

/// How many files and sockets the process may have open.
package enum ProcessDescriptors {
    /// How many are kept for files, event loops and the owner's own connections, where there are enough.
    package static let reservedCount = 64

    /// How many the process may have, as it was last set; connections get no more than a million.
    package static var limit: Int {
        var limits = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits) == 0 else { return 1024 }
        return Int(clamping: min(limits.rlim_cur, 1 << 20))
    }

    /// Raises the limit as far as the system lets this process.
    ///
    /// The low limit of old is for programs that look at every descriptor below it, as select(2) does.
    package static func raiseLimit() {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limits = rlimit()
        guard unsafe getrlimit(resource, &limits) == 0, limits.rlim_cur < limits.rlim_max else { return }
        limits.rlim_cur = limits.rlim_max
        // Where it is refused the process has as many as before.
        _ = unsafe setrlimit(resource, &limits)
    }

    /// How many are open now, the one for counting left out; 0 where the system does not tell.
    package static var openCount: Int {
        guard let folder = unsafe opendir("/proc/self/fd") else { return 0 }
        defer { unsafe closedir(folder) }
        var count = 0
        while unsafe readdir(folder) != nil { count += 1 }
        return max(0, count - 3)
    }

    /// How many of `count` more could be opened at this moment.
    package static func freeCount(upTo count: Int) -> Int {
        var opened: [CInt] = []
        defer { for descriptor in opened { close(descriptor) } }
        while opened.count < count {
            let descriptor = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { break }
            opened.append(descriptor)
        }
        return opened.count
    }
}
