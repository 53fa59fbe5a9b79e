import Glibc

/// A TCP connection on the loopback interface, or a listener for one; nothing on it waits beyond a deadline.
///
/// A class, because Swift 6.3.1 forgets the `deinit` of a noncopyable structure that stores a clock's instant and is
/// used from another file; the descriptor stayed open.
final class LoopbackSocket {
    enum Failure: Error, Equatable {
        case system(call: String, code: Int32)
        case late
        case ended
    }

    /// What can be done without waiting.
    struct Readiness {
        let canRead, canWrite: Bool
    }

    private let descriptor: Int32
    private let deadline: ContinuousClock.Instant

    private init(descriptor: Int32, deadline: ContinuousClock.Instant) throws(Failure) {
        self.descriptor = descriptor
        self.deadline = deadline
        try Self.check(fcntl(descriptor, F_SETFL, O_NONBLOCK), "fcntl")
        // A peer's process that inherited another test's connection would hold it open.
        try Self.check(fcntl(descriptor, F_SETFD, FD_CLOEXEC), "fcntl")
    }

    deinit { close(descriptor) }

    /// A listener on a port of the system's choice.
    static func listening(until deadline: ContinuousClock.Instant) throws(Failure) -> LoopbackSocket {
        let socket = try LoopbackSocket(
            descriptor: check(socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0), "socket"),
            deadline: deadline)
        var address = loopback(port: 0)
        try check(
            unsafe withSocketAddress(&address) { unsafe bind(socket.descriptor, $0, $1) }, "bind")
        try check(listen(socket.descriptor, 1), "listen")
        return socket
    }

    /// A connection to a port.
    static func dialling(
        _ port: UInt16, until deadline: ContinuousClock.Instant
    ) throws(Failure) -> LoopbackSocket {
        let descriptor = try check(socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0), "socket")
        var address = loopback(port: port)
        // Still blocking: on the loopback interface a connection is made or refused at once.
        try check(unsafe withSocketAddress(&address) { unsafe connect(descriptor, $0, $1) }, "connect")
        return try LoopbackSocket(descriptor: descriptor, deadline: deadline)
    }

    /// The port of a listener.
    func port() throws(Failure) -> UInt16 {
        var address = sockaddr_in()
        var byteCount = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = unsafe withSocketAddress(&address) { pointer, _ in
            unsafe getsockname(descriptor, UnsafeMutablePointer(mutating: pointer), &byteCount)
        }
        try Self.check(status, "getsockname")
        return UInt16(bigEndian: address.sin_port)
    }

    /// The next connection of a listener.
    func accepted() throws(Failure) -> LoopbackSocket {
        _ = try wait(toWrite: false)
        return try LoopbackSocket(
            descriptor: Self.check(accept(descriptor, nil, nil), "accept"),
            deadline: deadline)
    }

    /// Waits until there is something to read or, if wanted, room to write.
    func wait(toWrite: Bool) throws(Failure) -> Readiness {
        let left = ContinuousClock.now.duration(to: deadline)
        guard left > .zero else { throw .late }
        var interest = pollfd(
            fd: descriptor, events: Int16(POLLIN | (toWrite ? POLLOUT : 0)), revents: 0)
        let milliseconds = Int32(left.components.seconds) * 1000 + 1
        guard try Self.check(unsafe poll(&interest, 1, milliseconds), "poll") > 0 else { throw .late }
        let events = Int32(interest.revents)
        return Readiness(canRead: events & ~POLLOUT != 0, canWrite: events & POLLOUT != 0)
    }

    /// Reads what is there, at most `count` bytes; nothing means that the peer has ended.
    func read(atMost count: Int) throws(Failure) -> [UInt8] {
        var failure: Failure?
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            let received = unsafe recv(descriptor, buffer.baseAddress, count, 0)
            initialized = max(received, 0)
            if received < 0 { failure = .system(call: "recv", code: errno) }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Writes what there is room for, and says how much that was.
    func write(_ bytes: ArraySlice<UInt8>) throws(Failure) -> Int {
        let sent = unsafe bytes.withUnsafeBytes {
            unsafe send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        guard sent >= 0 else { throw .system(call: "send", code: errno) }
        return sent
    }

    /// Says that nothing more will be written.
    func endWriting() throws(Failure) { try Self.check(shutdown(descriptor, Int32(SHUT_WR)), "shutdown") }

    @discardableResult
    private static func check(_ status: Int32, _ call: String) throws(Failure) -> Int32 {
        guard status >= 0 else { throw .system(call: call, code: errno) }
        return status
    }
}

extension LoopbackSocket {
    /// Reads exactly so many bytes and leaves what is behind them.
    func read(exactly count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            _ = try wait(toWrite: false)
            let arrived = try read(atMost: count - bytes.count)
            guard !arrived.isEmpty else { throw Failure.ended }
            bytes += arrived
        }
        return bytes
    }

    /// Writes all of it, while the peer reads.
    func write(all bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            if try wait(toWrite: true).canWrite { rest = rest.dropFirst(try write(rest)) }
        }
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
