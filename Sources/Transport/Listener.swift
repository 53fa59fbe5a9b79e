public import Logging
public import Multiserver
public import NIOCore
internal import NIOPosix
internal import Synchronization

/// A port, or one port on several addresses, that accepts connections within each source's limits.
///
/// Running out of file descriptors pauses accepting for a second at a time, and says so.
public final class Listener: Sendable {
    private let channels: [any Channel]

    /// Where it listens; a port of 0 that was asked for has become the real one.
    public let addresses: [SocketAddress]

    private init(channels: [any Channel]) {
        self.channels = channels
        addresses = channels.compactMap(\.localAddress)
    }

    /// The port, the same on every address.
    public var port: Int { addresses.first?.port ?? 0 }

    /// Binds every address that the text means, and accepts from then on.
    ///
    /// No host means all of them, IPv6 and IPv4; `localhost` means both loopback addresses.
    /// Each source address may have what `limits` say; none are needed where only this machine connects. `accept`
    /// sets up an accepted channel, on its event loop; a failure closes it.
    /// - Throws: the system's error when an address cannot be bound.
    public static func bind(
        _ address: ListenAddress, group: any EventLoopGroup, limits: SourceLimiter.Limits?, logger: Logger,
        accept: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) async throws -> Listener {
        let gate = limits.map { AcceptGate(limits: $0, logger: logger) }
        let bootstrap = bootstrap(group: group, gate: gate, logger: logger, accept: accept)
        var attempts = address.port == 0 ? freePortAttempts : 1
        while true {
            attempts -= 1
            do {
                return Listener(channels: try await bind(address, with: bootstrap))
            } catch let error as IOError where error.errnoCode == EADDRINUSE && attempts > 0 {
                continue
            }
        }
    }

    /// How often a free port is looked for that is free on every address.
    private static let freePortAttempts = 8

    /// Binds every address to the first one's port, or none.
    private static func bind(
        _ address: ListenAddress, with bootstrap: ServerBootstrap
    ) async throws -> [any Channel] {
        var channels: [any Channel] = []
        var port = Int(address.port)
        do {
            for host in hosts(for: address) {
                let channel = try await bootstrap.bind(to: socketAddress(host, port: port)).get()
                channels.append(channel)
                port = channel.localAddress?.port ?? port
            }
        } catch {
            for channel in channels { channel.close(promise: nil) }
            throw error
        }
        return channels
    }

    /// Accepts no more; what was accepted stays.
    public func close() async {
        for channel in channels {
            do {
                try await channel.close()
            } catch {
                continue  // it is closed already
            }
        }
    }

    private static func hosts(for address: ListenAddress) -> [String] {
        switch address.host {
        case nil: hasIPv6 ? ["::"] : ["0.0.0.0"]  // the first takes IPv4 too
        case "localhost"?: hasIPv6 ? ["127.0.0.1", "::1"] : ["127.0.0.1"]
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

    private static func bootstrap(
        group: any EventLoopGroup, gate: AcceptGate?, logger: Logger,
        accept: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) -> ServerBootstrap {
        ServerBootstrap(group: group)
            .companionwayOptions()
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([
                        AcceptBackoffHandler(), AcceptErrorHandler(logger: logger),
                    ])
                }
            }
            .childChannelInitializer { channel in
                guard let gate else { return accept(channel) }
                return gate.admit(channel).flatMap { accept(channel) }
            }
    }
}

/// Counts connections in and out for all addresses of a listener.
private final class AcceptGate: Sendable {
    private let limiter: Mutex<SourceLimiter>
    private let logger: Logger

    init(limits: SourceLimiter.Limits, logger: Logger) {
        limiter = Mutex(SourceLimiter(limits: limits))
        self.logger = logger
    }

    func admit(_ channel: any Channel) -> EventLoopFuture<Void> {
        guard let source = channel.remoteAddress?.sourceName else {
            return channel.eventLoop.makeSucceededVoidFuture()
        }
        do {
            try limiter.withLock { limiter throws(SourceLimiter.Refusal) in
                try limiter.open(source, at: .now())
            }
        } catch {
            logger.debug("connection refused", metadata: ["reason": "\(error)"])
            return channel.eventLoop.makeFailedFuture(error)
        }
        channel.closeFuture.whenComplete { [self] _ in
            limiter.withLock { $0.close(source, at: .now()) }
        }
        return channel.eventLoop.makeSucceededVoidFuture()
    }
}

/// Says why accepting is paused; the back-off itself is the handler's in front.
private final class AcceptErrorHandler: ChannelInboundHandler {
    typealias InboundIn = any Channel

    private let logger: Logger

    init(logger: Logger) { self.logger = logger }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let error = error as? IOError, [EMFILE, ENFILE].contains(error.errnoCode) {
            logger.warning("out of file descriptors: accepting is paused for a second (see `ulimit -n`)")
        } else {
            logger.debug("a connection could not be accepted", metadata: ["error": "\(error)"])
        }
    }
}
