internal import Glibc
package import Multiserver
package import NIOCore
internal import NIOPosix

/// Where channels come from that others have begun; another carrier is another acceptor.
package protocol Acceptor: Sendable {
    /// Listens, on every address that it stands for or on none.
    ///
    /// `prepare` sets up each channel that listens, `accept` each that was accepted, on its event loop; a failure closes
    /// it. None accepts before it is told to read. An address may have a channel on each loop, of which one is to be
    /// told at a time.
    /// - Throws: the system's error when an address cannot be bound.
    func listen(
        on group: any EventLoopGroup,
        prepare: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>,
        accept: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) async throws -> [any Channel]
}

/// A TCP port, or one port on several addresses.
package struct TCPAcceptor: Acceptor {
    /// Who connects.
    package enum Use: Sendable {
        /// Programs that know nothing of us, so that only the system can notice that one is gone.
        case programs
        /// Peers, which are asked whether they are still there.
        case peers
    }

    private let address: ListenAddress
    private let use: Use

    /// No host means all addresses, IPv6 and IPv4; `localhost` means both loopback addresses.
    package init(_ address: ListenAddress, for use: Use = .peers) {
        (self.address, self.use) = (address, use)
    }

    package func listen(
        on group: any EventLoopGroup,
        prepare: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>,
        accept: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) async throws -> [any Channel] {
        var attempts = address.port == 0 ? Self.freePortAttempts : 1
        while true {
            attempts -= 1
            do {
                return try await bind { socket in
                    var channels: [any Channel] = []
                    for loop in group.makeIterator() {
                        channels.append(
                            try await bootstrap(on: loop, prepare, accept).withBoundSocket(socket.copy())
                                .get())
                    }
                    return channels
                }
            } catch let error as IOError where error.errnoCode == EADDRINUSE && attempts > 0 {
                continue
            }
        }
    }

    /// How often a free port is looked for that is free on every address.
    private static let freePortAttempts = 8

    /// Binds every address to the first one's port, or none.
    private func bind(
        _ listen: (borrowing ListeningSocket) async throws -> [any Channel]
    ) async throws -> [any Channel] {
        var channels: [any Channel] = []
        var port = Int(address.port)
        do {
            for host in hosts {
                channels += try await listen(.listening(at: Self.socketAddress(host, port: port)))
                port = channels.last?.localAddress?.port ?? port
            }
        } catch {
            for channel in channels { channel.close(promise: nil) }
            throw error
        }
        return channels
    }

    private func bootstrap(
        on loop: any EventLoop, _ prepare: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>,
        _ accept: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) -> ServerBootstrap {
        let bootstrap = ServerBootstrap(group: loop).companionwayOptions().networkOptions()
            .serverChannelInitializer(prepare).childChannelInitializer(accept)
        return switch use {
        case .programs: bootstrap.keepAliveOptions()
        case .peers: bootstrap
        }
    }

    private var hosts: [String] {
        switch address.host {
        case nil: Self.hasIPv6 ? ["::"] : ["0.0.0.0"]  // the first takes IPv4 too
        case "localhost"?: Self.hasIPv6 ? ["127.0.0.1", "::1"] : ["127.0.0.1"]
        case let host?: [host]
        }
    }

    private static var hasIPv6: Bool {
        let devices = (try? System.enumerateDevices()) ?? []
        return devices.contains { $0.address?.protocol == .inet6 }
    }

    private static func socketAddress(_ host: String, port: Int) throws -> SocketAddress {
        do {
            return try SocketAddress(ipAddress: host, port: port)
        } catch {
            return try SocketAddress.makeAddressResolvingHost(host, port: port)
        }
    }
}

/// A Unix domain socket.
package struct UnixAcceptor: Acceptor {
    private let path: String

    /// A socket at that path, where nothing is yet.
    package init(path: String) { self.path = path }

    package func listen(
        on group: any EventLoopGroup,
        prepare: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>,
        accept: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) async throws -> [any Channel] {
        let bootstrap = ServerBootstrap(group: group).companionwayOptions()
            .serverChannelInitializer(prepare).childChannelInitializer(accept)
        return [try await bootstrap.bind(unixDomainSocketPath: path).get()]
    }
}

/// A TCP socket that listens, of which each event loop gets a descriptor of its own.
private struct ListeningSocket: ~Copyable {
    private let descriptor: CInt

    private init(descriptor: CInt) { self.descriptor = descriptor }

    /// Binds and listens.
    static func listening(at address: SocketAddress) throws -> ListeningSocket {
        let family = address.protocol == .inet6 ? AF_INET6 : AF_INET
        let type = SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue
        let descriptor = try check("socket", socket(family, Int32(bitPattern: type), 0))
        let listening = ListeningSocket(descriptor: descriptor)
        var isOn: CInt = 1
        _ = try check(
            "setsockopt",
            unsafe setsockopt(
                descriptor, SOL_SOCKET, SO_REUSEADDR, &isOn, socklen_t(MemoryLayout<CInt>.size)))
        _ = try check(
            "bind", unsafe address.withSockAddr { unsafe Glibc.bind(descriptor, $0, socklen_t($1)) })
        _ = try check("listen", Glibc.listen(descriptor, ChannelSettings.backlog))
        return listening
    }

    deinit { Glibc.close(descriptor) }

    /// Another descriptor of it, for a channel to own.
    func copy() throws -> CInt { try Self.check("dup", fcntl(descriptor, F_DUPFD_CLOEXEC, 0)) }

    private static func check(_ call: String, _ result: CInt) throws -> CInt {
        guard result >= 0 else { throw IOError(errnoCode: errno, reason: call) }
        return result
    }
}
