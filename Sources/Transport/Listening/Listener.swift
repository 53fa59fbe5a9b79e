internal import Glibc
public import Logging
public import Multiserver
public import NIOCore
internal import NIOPosix

/// A port, or one port on several addresses, that accepts connections.
///
/// Running out of file descriptors pauses accepting for a second at a time, and says so.
public final class Listener: Sendable {
    /// Who connects.
    public enum Use: Sendable {
        /// Programs that know nothing of us, so that only the system can notice that one is gone.
        case programs
        /// Peers, which are asked whether they are still there.
        case peers
    }

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
    /// No host means all of them, IPv6 and IPv4; `localhost` means both loopback addresses. `accept` sets up an
    /// accepted channel, on its event loop; a failure closes it.
    /// - Throws: the system's error when an address cannot be bound.
    public static func bind(
        _ address: ListenAddress, for use: Use, group: any EventLoopGroup, logger: Logger,
        accept: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) async throws -> Listener {
        let bootstrap = bootstrap(for: use, group: group, logger: logger, accept: accept)
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
        for use: Use, group: any EventLoopGroup, logger: Logger,
        accept: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) -> ServerBootstrap {
        let bootstrap = ServerBootstrap(group: group)
            .companionwayOptions()
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers(AcceptPause(logger: logger), AcceptPace())
                }
            }
            .childChannelInitializer(accept)
        switch use {
        case .programs: return bootstrap.keepAliveOptions()
        case .peers: return bootstrap
        }
    }
}

/// Stops accepting where the process is out of descriptors, and begins again after a while.
///
/// A round of NIO's whose first `accept` fails leaves the socket registered, and the loop would turn for nothing else:
/// no read is asked for again, so nothing is asked that could say no. Hence the switch is what stops it.
private final class AcceptPause: ChannelInboundHandler {
    typealias InboundIn = any Channel

    /// How long a pause is.
    private static let time = TimeAmount.seconds(1)

    private let logger: Logger
    private var isPaused = false

    init(logger: Logger) { self.logger = logger }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? IOError, Self.isShortage(error.errnoCode) else {
            logger.debug("a connection could not be accepted", metadata: ["error": "\(error)"])
            return
        }
        guard !isPaused else { return }
        isPaused = true
        let reason = [EMFILE, ENFILE].contains(error.errnoCode) ? "file descriptors" : "memory for sockets"
        logger.warning("out of \(reason): accepting is paused for a second (see `ulimit -n`)")
        setReading(false, context)
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: Self.time) {
            let (pause, context) = bound.value
            pause.isPaused = false
            pause.setReading(true, context)
        }
    }

    private func setReading(_ isReading: Bool, _ context: ChannelHandlerContext) {
        // It fails where the listener is closed, and then there is nothing to be stopped.
        try? context.channel.syncOptions?.setOption(.autoRead, value: isReading)
    }

    /// What passes when others let something go.
    private static func isShortage(_ code: CInt) -> Bool { [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(code) }
}
