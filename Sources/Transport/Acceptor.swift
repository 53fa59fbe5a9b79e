internal import Glibc
package import Multiserver
package import NIOCore
internal import NIOPosix

/// Where channels come from that others have begun; another carrier is another acceptor.
package protocol Acceptor: Sendable {
    /// Listens, on every address that it stands for or on none.
    ///
    /// `prepare` sets up each channel that listens, `accept` each that was accepted, on its event loop; a failure closes
    /// it.
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
        let bootstrap = ServerBootstrap(group: group).companionwayOptions().networkOptions()
            .serverChannelInitializer(prepare).childChannelInitializer(accept)
        let used =
            switch use {
            case .programs: bootstrap.keepAliveOptions()
            case .peers: bootstrap
            }
        var attempts = address.port == 0 ? Self.freePortAttempts : 1
        while true {
            attempts -= 1
            do {
                return try await bind(with: used)
            } catch let error as IOError where error.errnoCode == EADDRINUSE && attempts > 0 {
                continue
            }
        }
    }

    /// How often a free port is looked for that is free on every address.
    private static let freePortAttempts = 8

    /// Binds every address to the first one's port, or none.
    private func bind(with bootstrap: ServerBootstrap) async throws -> [any Channel] {
        var channels: [any Channel] = []
        var port = Int(address.port)
        do {
            for host in hosts {
                let channel = try await bootstrap.bind(to: Self.socketAddress(host, port: port)).get()
                channels.append(channel)
                port = channel.localAddress?.port ?? port
            }
        } catch {
            for channel in channels { channel.close(promise: nil) }
            throw error
        }
        return channels
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
