internal import Glibc
internal import LMDB
internal import Synchronization
package import Transport

/// What has started this process and wants to know how it fares, such as systemd.
///
/// The protocols are some environment variables and a datagram: sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3).
/// What is told reaches every user of the machine (`systemctl status`), so it names nobody.
package final class ServiceManager: Sendable {
    /// The process's own; without one, whatever is told goes nowhere.
    package static let ofProcess = ServiceManager(ProcessText.environment, processID: getpid())

    /// The variables that are this process's alone.
    static let variables = ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"] + InheritedSocket.variables

    /// How long it waits for a sign of life before it ends the process; `nil` where it does not.
    package let watchdogTime: Duration?
    /// The sockets that were handed over, or why they cannot be used.
    package let sockets: Result<[InheritedSocket], InheritedSocketError>
    /// What is wrong with the address that it named.
    package let complaint: String?

    private let socket: NotifySocket?
    /// What the service does at the moment, in a few words.
    private let status = Mutex("")

    /// The one that the variables of a process name.
    package init(_ environment: [String: String], processID: Int32) {
        sockets = Result { () throws(InheritedSocketError) in
            try InheritedSocket.all(in: environment, of: processID)
        }
        let isWatched = environment["WATCHDOG_PID"].map { $0 == "\(processID)" } ?? true
        watchdogTime = environment["WATCHDOG_USEC"].flatMap { Int64($0) }
            .flatMap { isWatched && $0 > 0 ? .microseconds($0) : nil }
        let name = environment["NOTIFY_SOCKET"] ?? ""
        socket = name.isEmpty ? nil : NotifySocket(name)
        complaint =
            name.isEmpty || socket != nil
            ? nil
            : "NOTIFY_SOCKET is no path and no abstract name that can be used: nothing is told to the service manager"
    }

    /// Looks for the process's one, and takes its variables away from whatever is started from here.
    ///
    /// To be called before there is a second thread, which might read the environment.
    package static func takeOver() {
        _ = ofProcess
        for name in variables { unsafe unsetenv(name) }
    }

    // MARK: What is told

    /// The service does what it is for, from now on or again.
    package func ready(_ words: String? = nil) { tell("READY=1", words) }

    /// What it does has changed.
    package func now(_ words: String) { tell(nil, words) }

    /// Its settings are read again; ``ready(_:)`` follows.
    package func reloading() {
        var time = timespec()
        // Never fails on Linux; at 0 the manager ends the reload by its own clock.
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        tell("RELOADING=1\nMONOTONIC_USEC=\(time.tv_sec * 1_000_000 + time.tv_nsec / 1000)", nil)
    }

    /// It ends.
    package func stopping() { tell("STOPPING=1", "closing in order") }

    /// It lives; to be told by what would hang if it did not.
    package func isAlive() { socket?.send("WATCHDOG=1") }

    private func tell(_ state: String?, _ words: String?) {
        guard let socket else { return }
        status.withLock { status in
            if let words { status = words.printableLine }
            socket.send(([state] + ["STATUS=\(status)"]).compactMap(\.self).joined(separator: "\n"))
        }
    }
}

/// Where a service manager takes datagrams.
///
/// It holds its descriptor, so that a process which is out of them is not ended for its silence.
///
/// Safety: the system reads the address and the message within the counts of their arrays.
private final class NotifySocket: Sendable {
    /// What a `sockaddr_un` has room for; a path is one shorter, for the zero behind it.
    private static let nameByteCountLimit = 108
    /// How long a manager that does not read is waited for, in microseconds.
    private static let patience = 100_000

    private let descriptor: CInt
    private let address: [UInt8]

    /// The socket at a path, or that of an abstract name behind a `@`.
    init?(_ name: String) {
        var bytes = name.systemName.dropLast().map { UInt8(bitPattern: $0) }
        let isAbstract = bytes.first == UInt8(ascii: "@")
        guard isAbstract || bytes.first == UInt8(ascii: "/"), bytes.count > 1,
            bytes.count <= (isAbstract ? Self.nameByteCountLimit : Self.nameByteCountLimit - 1)
        else { return nil }
        if isAbstract { bytes[0] = 0 } else { bytes.append(0) }
        let family = sa_family_t(AF_UNIX)
        address = unsafe withUnsafeBytes(of: family) { unsafe [UInt8]($0) } + bytes
        descriptor = Glibc.socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        var time = timeval(tv_sec: 0, tv_usec: Self.patience)
        _ = unsafe setsockopt(
            descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    /// Sends a message; where it cannot be, the manager finds out by itself.
    func send(_ text: String) {
        let message = Array(text.utf8)
        unsafe address.withUnsafeBytes { address in
            guard let start = unsafe address.bindMemory(to: sockaddr.self).baseAddress else { return }
            repeat {
                let count = unsafe sendto(
                    descriptor, message, message.count, CInt(MSG_NOSIGNAL), start,
                    socklen_t(address.count))
                if count >= 0 { return }
            } while errno == EINTR
        }
    }
}
