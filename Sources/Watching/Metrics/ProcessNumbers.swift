internal import Glibc

/// What the system says of this process, read when somebody asks.
package struct ProcessNumbers: Equatable, Sendable {
    /// Memory that is resident, in bytes.
    package var residentByteCount = 0
    /// Address space, in bytes.
    package var virtualByteCount = 0
    /// Files and sockets that are open.
    package var descriptorCount = 0
    /// As many may be.
    package var descriptorLimit = 0
    /// Time on processors, of the program and of the system for it, in seconds.
    package var processorSeconds = 0.0

    /// As it is at this moment; what the system does not tell is 0.
    package static func current() -> ProcessNumbers {
        var numbers = ProcessNumbers()
        let pages = text(of: "/proc/self/statm").split(separator: " ").compactMap { Int($0) }
        if pages.count > 1 {
            let pageByteCount = Int(getpagesize())
            numbers.virtualByteCount = pages[0] * pageByteCount
            numbers.residentByteCount = pages[1] * pageByteCount
        }
        numbers.descriptorCount = openDescriptorCount()
        var limits = rlimit()
        if unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits) == 0 {
            numbers.descriptorLimit = Int(clamping: limits.rlim_cur)
        }
        var time = timespec()
        if unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 {
            numbers.processorSeconds = Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
        }
        return numbers
    }

    /// When the process began, in Unix seconds; 0 where the system does not tell.
    package static let startSeconds: Double = {
        var (now, sinceBoot) = (timespec(), timespec())
        guard unsafe clock_gettime(CLOCK_REALTIME, &now) == 0,
            unsafe clock_gettime(CLOCK_BOOTTIME, &sinceBoot) == 0
        else { return 0 }
        // Behind the name, which may have spaces and brackets in it; see proc(5): field 22, in ticks since boot.
        let fields = text(of: "/proc/self/stat").split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 19, let ticks = Double(fields[19]) else { return 0 }
        let bootSeconds =
            Double(now.tv_sec - sinceBoot.tv_sec) + Double(now.tv_nsec - sinceBoot.tv_nsec) / 1e9
        return ((bootSeconds + ticks / Double(sysconf(Int32(_SC_CLK_TCK)))) * 100).rounded() / 100
    }()

    /// As they stand in the metrics, by the names that all of Prometheus' clients use.
    package var families: [MetricFamily] {
        [
            .gauge(
                "process_resident_memory_bytes", "Memory of the process that is resident.",
                Double(residentByteCount)),
            .gauge("process_virtual_memory_bytes", "Address space of the process.", Double(virtualByteCount)),
            .gauge("process_open_fds", "Files and sockets that are open.", Double(descriptorCount)),
            .gauge("process_max_fds", "How many files and sockets may be open.", Double(descriptorLimit)),
            .counter("process_cpu_seconds", "Time on processors, user and system.", processorSeconds),
            .gauge(
                "process_start_time_seconds", "When the process began, in Unix seconds.", Self.startSeconds),
        ]
    }

    private static func openDescriptorCount() -> Int {
        guard let entries = unsafe opendir("/proc/self/fd") else { return 0 }
        defer { unsafe closedir(entries) }
        var count = 0
        while unsafe readdir(entries) != nil { count += 1 }
        // Without "." and "..", and without the folder that is being read.
        return max(0, count - 3)
    }

    private static func text(of path: String) -> String {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1024)
        let count = unsafe read(descriptor, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }
}
