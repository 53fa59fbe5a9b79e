internal import Glibc
package import NIOCore
internal import NIOPosix

/// A socket that listens already, handed to this process by whatever has started it.
///
/// So a service manager keeps it while the program is replaced, and may have bound a port that this process may not.
/// Source: sd_listen_fds(3).
package struct InheritedSocket: Equatable, Sendable {
    /// What it carries.
    package enum Family: Equatable, Sendable {
        case network, unix
    }

    /// The number of the first descriptor that is handed over.
    package static let firstDescriptor: CInt = 3
    /// How many are taken at most: each is a port of one portal.
    package static let countLimit = 64
    /// The variables that say so, which are nobody's but this process's.
    package static let variables = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]

    let descriptor: CInt
    /// What the manager calls it: the name of its unit where nobody says another.
    package let name: String
    /// What it carries.
    package let family: Family

    /// The sockets that the variables of a process name.
    ///
    /// - Parameters:
    ///   - environment: the variables.
    ///   - processID: whose they have to be: others have inherited them by mistake.
    /// - Returns: the sockets, of which each is closed by whatever is executed from here.
    /// - Throws: ``InheritedSocketError``.
    package static func all(
        in environment: [String: String], of processID: Int32
    ) throws(InheritedSocketError) -> [InheritedSocket] {
        var sockets: [InheritedSocket] = []
        for (index, name) in try names(in: environment, of: processID).enumerated() {
            sockets.append(try InheritedSocket(firstDescriptor + CInt(index), named: name))
        }
        return sockets
    }

    /// What the sockets are called, in the order of their descriptors.
    static func names(
        in environment: [String: String], of processID: Int32
    ) throws(InheritedSocketError) -> [String] {
        guard let count = environment["LISTEN_FDS"], environment["LISTEN_PID"] == "\(processID)" else {
            return []
        }
        guard let count = Int(count), (0...countLimit).contains(count) else { throw .badCount(count) }
        guard let text = environment["LISTEN_FDNAMES"], !text.isEmpty else {
            return Array(repeating: "unknown", count: count)
        }
        let names = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard names.count == count else { throw .badNames(names.count, of: count) }
        return names
    }

    /// Looks at a descriptor, which has to be a stream socket that listens.
    init(_ descriptor: CInt, named name: String) throws(InheritedSocketError) {
        (self.descriptor, self.name) = (descriptor, name)
        // Fails where there is no such descriptor, and then the next call says so.
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        guard let kind = Self.option(SO_TYPE, of: descriptor) else { throw .notASocket(name) }
        guard kind == CInt(SOCK_STREAM.rawValue), Self.option(SO_ACCEPTCONN, of: descriptor) == 1 else {
            throw .notListening(name)
        }
        switch Self.option(SO_DOMAIN, of: descriptor) {
        case AF_INET, AF_INET6: family = .network
        case AF_UNIX: family = .unix
        default: throw .otherFamily(name)
        }
    }

    private static func option(_ name: CInt, of descriptor: CInt) -> CInt? {
        var value: CInt = 0
        var byteCount = socklen_t(MemoryLayout<CInt>.size)
        guard unsafe getsockopt(descriptor, SOL_SOCKET, name, &value, &byteCount) == 0 else { return nil }
        return value
    }
}

/// Why a socket that was handed over cannot be used.
package enum InheritedSocketError: Error, Equatable, Sendable {
    /// `LISTEN_FDS` is no number, or too large.
    case badCount(String)
    /// There are as many names, of so many sockets.
    case badNames(Int, of: Int)
    /// The descriptor is closed, or a file's.
    case notASocket(String)
    /// It is a connection, or takes datagrams.
    case notListening(String)
    /// It is neither for TCP nor a Unix domain socket.
    case otherFamily(String)
}

extension InheritedSocketError: CustomStringConvertible {
    /// The cause, and what to do about it, in a sentence for people.
    package var description: String {
        switch self {
        case .badCount(let text):
            "LISTEN_FDS is '\(text)', which is no number from 0 to \(InheritedSocket.countLimit): name fewer "
                + "sockets in the socket unit"
        case .badNames(let names, let count):
            "LISTEN_FDNAMES has \(names) names for \(count) sockets: start this from a socket unit"
        case .notASocket(let name):
            "what was handed over as '\(name)' is no socket: start this from a socket unit"
        case .notListening(let name):
            "the socket '\(name)' that was handed over does not listen: use ListenStream= and Accept=no"
        case .otherFamily(let name):
            "the socket '\(name)' that was handed over is of another family: use TCP or a Unix domain socket"
        }
    }
}

/// A socket that was handed over, which listens already.
package struct InheritedAcceptor: Acceptor {
    private let socket: InheritedSocket

    /// Takes the socket over; it is closed with the channel that it becomes.
    package init(_ socket: InheritedSocket) { self.socket = socket }

    package func listen(
        on group: any EventLoopGroup,
        prepare: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>,
        accept: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) async throws -> [any Channel] {
        var channels: [any Channel] = []
        do {
            for loop in group.makeIterator() {
                // Each channel closes its own descriptor; the socket goes with the last.
                let descriptor =
                    channels.isEmpty ? socket.descriptor : fcntl(socket.descriptor, F_DUPFD_CLOEXEC, 0)
                guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "dup") }
                channels.append(try await listen(with: descriptor, on: loop, prepare, accept))
            }
        } catch {
            for channel in channels { channel.close(promise: nil) }
            throw error
        }
        return channels
    }

    private func listen(
        with descriptor: CInt, on loop: any EventLoop,
        _ prepare: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>,
        _ accept: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) async throws -> any Channel {
        let bootstrap = ServerBootstrap(group: loop).companionwayOptions()
            .serverChannelInitializer { channel in
                // NIO has it listen anew, with a short queue: what comes while nobody accepts has to wait, not fail.
                _ = Glibc.listen(descriptor, ChannelSettings.backlog)
                return prepare(channel)
            }.childChannelInitializer(accept)
        let used = socket.family == .network ? bootstrap.networkOptions() : bootstrap
        return try await used.withBoundSocket(descriptor).get()
    }
}
