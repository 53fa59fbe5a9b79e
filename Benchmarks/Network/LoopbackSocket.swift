internal import Glibc

/// A TCP connection on the loopback interface, or a listener for some; calls wait, ten seconds at the
/// longest.
final class LoopbackSocket: Sendable {
    /// A call of the system failed, or nothing came for ten seconds.
    struct Failure: Error, CustomStringConvertible {
        let call: String
        let code: Int32

        var description: String {
            code == EAGAIN ? "nothing moved for 10 s (\(call))" : "\(call): error \(code)"
        }
    }

    private static let patienceSeconds = 10

    private let descriptor: Int32

    private init(_ descriptor: Int32) throws {
        self.descriptor = descriptor
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
    static func listening() throws -> LoopbackSocket {
        let socket = try LoopbackSocket(makeSocket())
        var address = loopback(port: 0)
        try check(unsafe withSocketAddress(&address) { unsafe bind(socket.descriptor, $0, $1) }, "bind")
        try check(listen(socket.descriptor, 256), "listen")
        return socket
    }

    /// A port that nobody listens on at this moment.
    static func freePort() throws -> UInt16 { try listening().port }

    /// A connection to a port, from an address of the loopback network by its last two bytes.
    static func dialling(_ port: UInt16, from source: UInt16 = 1) throws -> LoopbackSocket {
        let socket = try LoopbackSocket(makeSocket())
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
    func accepted() throws -> LoopbackSocket {
        let accepted = try Self.check(accept(descriptor, nil, nil), "accept")
        _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
        return try LoopbackSocket(accepted)
    }

    /// The port of a listener.
    var port: UInt16 {
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

    /// Reads what is there into the buffer; 0 means that the other side has ended.
    func read(into buffer: inout [UInt8]) throws -> Int {
        let count = unsafe buffer.withUnsafeMutableBytes {
            unsafe recv(descriptor, $0.baseAddress, $0.count, 0)
        }
        guard count >= 0 else { throw Failure(call: "recv", code: errno) }
        return count
    }

    /// Reads until the buffer is full.
    func readAll(into buffer: inout [UInt8]) throws {
        var filled = 0
        while filled < buffer.count {
            let count = unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe recv(descriptor, bytes.baseAddress.map { unsafe $0 + filled }, bytes.count - filled, 0)
            }
            guard count > 0 else { throw Failure(call: "recv", code: count == 0 ? ECONNRESET : errno) }
            filled += count
        }
    }

    /// Writes what there is room for, and says how much that was.
    func write(_ bytes: ArraySlice<UInt8>) throws -> Int {
        let count = unsafe bytes.withUnsafeBytes {
            unsafe send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        guard count >= 0 else { throw Failure(call: "send", code: errno) }
        return count
    }

    /// Writes all of it.
    func writeAll(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty { rest = rest.dropFirst(try write(rest)) }
    }

    /// Reads what is there without waiting; `nil` where nothing is.
    func readNow(into buffer: inout [UInt8]) throws -> Int? {
        let count = unsafe buffer.withUnsafeMutableBytes {
            unsafe recv(descriptor, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT))
        }
        if count < 0, errno == EAGAIN { return nil }
        guard count >= 0 else { throw Failure(call: "recv", code: errno) }
        return count
    }

    /// Writes what there is room for without waiting, and says how much that was.
    func writeNow(_ bytes: UnsafeRawBufferPointer) throws -> Int {
        let count = unsafe send(
            descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
        if count < 0, errno == EAGAIN { return 0 }
        guard count >= 0 else { throw Failure(call: "send", code: errno) }
        return count
    }

    /// Says that nothing more will be written.
    func endWriting() throws { try Self.check(shutdown(descriptor, Int32(SHUT_WR)), "shutdown") }

    /// Ends both directions; whoever waits on the socket goes on at once.
    func cut() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    @discardableResult
    private static func check(_ status: Int32, _ call: String) throws -> Int32 {
        guard status >= 0 else { throw Failure(call: call, code: errno) }
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
