internal import Glibc

/// A TCP connection on the loopback interface, or a listener for some; calls wait ten seconds at the longest, and
/// ``wait(toWrite:)`` until a deadline.
///
/// A class, because Swift 6.3.1 forgets the `deinit` of a noncopyable structure that stores a clock's instant and is
/// used from another file; the descriptor stayed open.
package final class LoopbackSocket: Sendable {
    /// A call of the system failed, nothing came in time, or the other side has ended.
    package enum Failure: Error, Equatable, CustomStringConvertible {
        case system(call: String, code: Int32)
        case late
        case ended

        package var description: String {
            switch self {
            case .system(let call, EAGAIN): "nothing moved for 10 s (\(call))"
            case .system(let call, let code): "\(call): error \(code)"
            case .late: "nothing moved before the deadline"
            case .ended: "the other side has ended"
            }
        }
    }

    /// What can be done without waiting.
    package struct Readiness {
        package let canRead, canWrite: Bool
    }

    private static let patienceSeconds = 10

    private let descriptor: Int32
    private let deadline: ContinuousClock.Instant?

    private init(_ descriptor: Int32, until deadline: ContinuousClock.Instant?) throws {
        self.descriptor = descriptor
        self.deadline = deadline
        var patience = timeval(tv_sec: Self.patienceSeconds, tv_usec: 0)
        let byteCount = socklen_t(MemoryLayout<timeval>.size)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            try Self.check(
                unsafe setsockopt(descriptor, SOL_SOCKET, option, &patience, byteCount), "setsockopt")
        }
        var yes: Int32 = 1
        try Self.check(
            unsafe setsockopt(
                descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size)),
            "setsockopt")
    }

    deinit { close(descriptor) }

    private static func makeSocket() throws -> Int32 {
        // Closed in the processes that are started: they would hold it open.
        try check(socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0), "socket")
    }

    /// A listener on a port of the system's choice.
    package static func listening(until deadline: ContinuousClock.Instant? = nil) throws -> LoopbackSocket {
        let socket = try LoopbackSocket(makeSocket(), until: deadline)
        var address = loopback(port: 0)
        try check(unsafe withSocketAddress(&address) { unsafe bind(socket.descriptor, $0, $1) }, "bind")
        try check(listen(socket.descriptor, 256), "listen")
        return socket
    }

    /// A port that nobody listens on at this moment.
    package static func freePort() throws -> UInt16 { try listening().port }

    /// So many different ports that nobody listens on at this moment.
    package static func freePorts(_ count: Int) throws -> [UInt16] {
        let listeners = try (0..<count).map { _ in try listening() }
        return try listeners.map { try $0.port }
    }

    /// What a web server on a port answers to a request without a body.
    package static func answer(of port: UInt16, to path: String) throws -> String {
        let socket = try dialling(port)
        let request = "GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        try socket.writeAll(Array(request.utf8))
        var answer: [UInt8] = []
        while case let bytes = try socket.read(atMost: 64 << 10), !bytes.isEmpty { answer += bytes }
        return String(decoding: answer, as: UTF8.self)
    }

    /// A connection to a port, from an address of the loopback network by its last two bytes.
    package static func dialling(
        _ port: UInt16, from source: UInt16 = 1, until deadline: ContinuousClock.Instant? = nil
    ) throws -> LoopbackSocket {
        let socket = try LoopbackSocket(makeSocket(), until: deadline)
        if source != 1 {
            var own = loopback(port: 0)
            own.sin_addr.s_addr = (INADDR_LOOPBACK - 1 + UInt32(source)).bigEndian
            try check(unsafe withSocketAddress(&own) { unsafe bind(socket.descriptor, $0, $1) }, "bind")
        }
        var address = loopback(port: port)
        try check(
            unsafe withSocketAddress(&address) { unsafe connect(socket.descriptor, $0, $1) }, "connect")
        return socket
    }

    /// The next connection of a listener.
    package func accepted() throws -> LoopbackSocket {
        if deadline != nil { _ = try wait(toWrite: false) }
        let accepted = try Self.check(accept(descriptor, nil, nil), "accept")
        _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
        return try LoopbackSocket(accepted, until: deadline)
    }

    /// The port of a listener.
    package var port: UInt16 {
        get throws {
            var address = sockaddr_in()
            var byteCount = socklen_t(MemoryLayout<sockaddr_in>.size)
            let status = unsafe withSocketAddress(&address) { pointer, _ in
                unsafe getsockname(descriptor, UnsafeMutablePointer(mutating: pointer), &byteCount)
            }
            try Self.check(status, "getsockname")
            return UInt16(bigEndian: address.sin_port)
        }
    }

    /// Waits until there is something to read or, if wanted, room to write.
    package func wait(toWrite: Bool) throws -> Readiness {
        let left = deadline.map { ContinuousClock.now.duration(to: $0) } ?? .seconds(Self.patienceSeconds)
        guard left > .zero else { throw Failure.late }
        var interest = pollfd(
            fd: descriptor, events: Int16(POLLIN | (toWrite ? POLLOUT : 0)), revents: 0)
        let milliseconds = Int32(left.components.seconds) * 1000 + 1
        guard try Self.check(unsafe poll(&interest, 1, milliseconds), "poll") > 0 else { throw Failure.late }
        let events = Int32(interest.revents)
        return Readiness(canRead: events & ~POLLOUT != 0, canWrite: events & POLLOUT != 0)
    }

    /// Waits for room to write, or for the end of the connection, and says whether there was either within the time.
    package func hasRoom(within time: Duration) throws -> Bool {
        var interest = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        return try Self.check(unsafe poll(&interest, 1, Int32(time / .milliseconds(1))), "poll") > 0
    }

    /// Reads what is there, at most `count` bytes; nothing means that the other side has ended.
    package func read(atMost count: Int) throws -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: count)
        buffer.removeLast(count - (try read(into: &buffer)))
        return buffer
    }

    /// Reads exactly so many bytes and leaves what is behind them.
    package func read(exactly count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            _ = try wait(toWrite: false)
            let arrived = try read(atMost: count - bytes.count)
            guard !arrived.isEmpty else { throw Failure.ended }
            bytes += arrived
        }
        return bytes
    }

    /// Reads what is there into the buffer; 0 means that the other side has ended.
    package func read(into buffer: inout [UInt8]) throws -> Int {
        let count = unsafe buffer.withUnsafeMutableBytes {
            unsafe recv(descriptor, $0.baseAddress, $0.count, 0)
        }
        guard count >= 0 else { throw Failure.system(call: "recv", code: errno) }
        return count
    }

    /// Reads until the buffer is full.
    package func readAll(into buffer: inout [UInt8]) throws {
        var filled = 0
        while filled < buffer.count {
            let count = unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe recv(descriptor, bytes.baseAddress.map { unsafe $0 + filled }, bytes.count - filled, 0)
            }
            guard count > 0 else { throw count == 0 ? Failure.ended : .system(call: "recv", code: errno) }
            filled += count
        }
    }

    /// Writes what there is room for, and says how much that was.
    package func write(_ bytes: ArraySlice<UInt8>) throws -> Int {
        let count = unsafe bytes.withUnsafeBytes {
            unsafe send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        guard count >= 0 else { throw Failure.system(call: "send", code: errno) }
        return count
    }

    /// Writes all of it.
    package func writeAll(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty { rest = rest.dropFirst(try write(rest)) }
    }

    /// Reads what is there without waiting; `nil` where nothing is.
    package func readNow(into buffer: inout [UInt8]) throws -> Int? {
        let count = unsafe buffer.withUnsafeMutableBytes {
            unsafe recv(descriptor, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT))
        }
        if count < 0, errno == EAGAIN { return nil }
        guard count >= 0 else { throw Failure.system(call: "recv", code: errno) }
        return count
    }

    /// Writes what there is room for without waiting, and says how much that was.
    package func writeNow(_ bytes: ArraySlice<UInt8>) throws -> Int {
        try unsafe bytes.withUnsafeBytes { try unsafe writeNow($0) }
    }

    /// Writes what there is room for without waiting, and says how much that was.
    package func writeNow(_ bytes: UnsafeRawBufferPointer) throws -> Int {
        let count = unsafe send(
            descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
        if count < 0, errno == EAGAIN { return 0 }
        guard count >= 0 else { throw Failure.system(call: "send", code: errno) }
        return count
    }

    /// Says that nothing more will be written.
    package func endWriting() throws { try Self.check(shutdown(descriptor, Int32(SHUT_WR)), "shutdown") }

    /// Ends both directions; whoever waits on the socket goes on at once.
    package func cut() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    @discardableResult
    private static func check(_ status: Int32, _ call: String) throws -> Int32 {
        guard status >= 0 else { throw Failure.system(call: call, code: errno) }
        return status
    }
}

private func loopback(port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
    return address
}

/// Lends an IPv4 address as the general one that the socket calls take.
private func withSocketAddress(
    _ address: inout sockaddr_in, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
) -> Int32 {
    unsafe withUnsafePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            unsafe body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
}
