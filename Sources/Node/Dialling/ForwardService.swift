package import Logging
package import Multiserver
internal import MuxRPC
package import NIOCore
internal import ServiceLifecycle
internal import Transport
internal import Tunnel

/// A local port whose connections come out at a friend's service.
///
/// The port is there from the beginning, and stays through a portal's restart: open connections end, new ones wait until
/// a session stands again.
package struct ForwardService: Service {
    /// What is asked for, and how stubbornly.
    package struct Wish: Sendable {
        /// The name of the service.
        package var service: String
        /// Whether to wait until the friend offers it.
        package var waitsForOffer = false
        /// Whether to end with the first failure instead of dialling on.
        package var triesOnce = false
        /// Told when local programs can connect, whether a session stands or not.
        package var isListening: @Sendable () -> Void = {}
        /// Told how the port is.
        package var watch = ForwardWatch()

        /// A service of that name.
        package init(service: String) { self.service = service }
    }

    private let listen: ListenAddress
    private let service: String
    private let keeper: SessionKeeper
    private let eventLoop: any EventLoop
    private let logger: Logger
    private let isListening: @Sendable () -> Void
    private let watch: ForwardWatch
    private let isReady: @Sendable (NetAddress) throws -> Void

    /// A port for a friend's service.
    ///
    /// `isReady` is told the port once it accepts connections and the first session stands.
    package init(
        from listen: ListenAddress, to wish: Wish, dialler: Dialler,
        on eventLoop: any EventLoop,
        logger: Logger, isReady: @escaping @Sendable (NetAddress) throws -> Void
    ) {
        self.listen = listen
        service = wish.service
        self.eventLoop = eventLoop
        self.logger = logger
        isListening = wish.isListening
        watch = wish.watch
        self.isReady = isReady
        keeper = SessionKeeper(
            dialler: dialler, offering: ServiceOffer(service: wish.service, isAwaited: wish.waitsForOffer),
            triesOnce: wish.triesOnce, eventLoop: eventLoop, watch: wish.watch, logger: logger)
    }

    /// Forwards until the group shuts down.
    ///
    /// - Throws: the system's error when the port cannot be had; ``HopFailure`` or ``DestinationError`` for what stays so
    ///   until a person has done something about it, and for any failure where it is tried once.
    package func run() async throws {
        let listener = try await Listener.start(
            over: TCPAcceptor(listen, for: .programs), group: eventLoop,
            report: ListenerLog(logger: logger).note
        ) { channel in
            NodeLink.prepare(channel).map {
                let forwarding = Task { await forward(channel) }
                channel.closeFuture.whenComplete { _ in forwarding.cancel() }
            }
        }
        isListening()
        let result: Result<Void, any Error>
        do {
            let address = try NetAddress(
                host: listen.dialledHost ?? "localhost", port: UInt16(clamping: listener.port))
            watch.listens(at: address.hostAndPort)
            result = .success(try await keepSessions { try isReady(address) })
        } catch {
            result = .failure(error)
        }
        await listener.close()
        try result.get()
    }

    /// Keeps sessions until the group shuts down, or something final has happened.
    private func keepSessions(_ isReady: @escaping @Sendable () throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await keeper.keep(isReady) }
            tasks.addTask { try? await gracefulShutdown() }
            try await tasks.next()
            tasks.cancelAll()
        }
    }

    private func forward(_ channel: any Channel) async {
        do {
            try await transfer(channel)
            logger.debug("connection closed", metadata: ["service": "\(service)"])
        } catch {
            let reason =
                (error as? StreamFailure).map { HopFailure($0, of: service).description }
                ?? ErrorWords.text(of: error)
            logger.warning("connection ended", metadata: ["service": "\(service)", "reason": "\(reason)"])
            NodeLink.reset(channel)
        }
    }

    /// Joins the connection to a stream, of the next session where this one is just over.
    private func transfer(_ channel: any Channel) async throws {
        var connection = try await keeper.session()
        while true {
            do {
                return try await connection.link.join(channel, to: .service(service), on: connection.session)
                    .get()
            } catch MuxRPCError.closed {
                connection = try await keeper.session(after: connection)
            }
        }
    }
}
