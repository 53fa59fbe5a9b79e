public import Logging
public import Multiserver
public import NIOCore
public import ServiceLifecycle
internal import Transport
internal import Tunnel

/// A local port whose connections come out at a friend's service.
///
/// The port stays through a portal's restart: open connections end, new ones wait until the session stands again.
public struct ForwardService: Service {
    private let listen: ListenAddress
    private let service: String
    private let keeper: SessionKeeper
    private let eventLoop: any EventLoop
    private let logger: Logger
    private let isReady: @Sendable (NetAddress) throws -> Void

    /// - Parameters:
    ///   - service: the name of the friend's service.
    ///   - isReady: told the port, once it accepts connections and the first session stands.
    public init(
        from listen: ListenAddress, to service: String, caller: Caller, route: Route,
        on eventLoop: any EventLoop,
        logger: Logger, isReady: @escaping @Sendable (NetAddress) throws -> Void
    ) {
        self.listen = listen
        self.service = service
        self.eventLoop = eventLoop
        self.logger = logger
        self.isReady = isReady
        keeper = SessionKeeper(caller: caller, route: route, eventLoop: eventLoop, logger: logger)
    }

    /// Forwards until the group shuts down.
    ///
    /// - Throws: ``HopFailure`` when the first session cannot be had, the system's error when the port cannot.
    public func run() async throws {
        try await keeper.start()
        let listener = try await Listener.bind(
            listen, group: eventLoop, limits: nil, logger: logger, readsAtOnce: false
        ) { channel in
            let forwarding = Task { await forward(channel) }
            channel.closeFuture.whenComplete { _ in forwarding.cancel() }
            return channel.eventLoop.makeSucceededVoidFuture()
        }
        try isReady(NetAddress(host: listen.host ?? "localhost", port: UInt16(clamping: listener.port)))
        await withTaskGroup { tasks in
            tasks.addTask { await keeper.keep() }
            try? await gracefulShutdown()
            await listener.close()
            tasks.cancelAll()
        }
    }

    private func forward(_ channel: any Channel) async {
        do {
            let connection = try await keeper.session()
            logger.debug("connection opened", metadata: ["service": "\(service)"])
            try await connection.link.join(channel, to: .service(service), on: connection.session).get()
            logger.debug("connection closed", metadata: ["service": "\(service)"])
        } catch {
            let reason =
                (error as? StreamFailure).map { HopFailure($0, of: service).description } ?? "\(error)"
            logger.warning("connection ended", metadata: ["service": "\(service)", "reason": "\(reason)"])
            channel.close(promise: nil)
        }
    }
}
