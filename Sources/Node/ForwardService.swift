public import Logging
internal import MuxRPC
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

    /// A port for the friend's service of that name.
    ///
    /// `isReady` is told the port once it accepts connections and the first session stands.
    public init(
        from listen: ListenAddress, to service: String, dialler: Dialler,
        on eventLoop: any EventLoop,
        logger: Logger, isReady: @escaping @Sendable (NetAddress) throws -> Void
    ) {
        self.listen = listen
        self.service = service
        self.eventLoop = eventLoop
        self.logger = logger
        self.isReady = isReady
        keeper = SessionKeeper(dialler: dialler, eventLoop: eventLoop, logger: logger)
    }

    /// Forwards until the group shuts down.
    ///
    /// - Throws: ``HopFailure`` when the first session cannot be had, the system's error when the port cannot.
    public func run() async throws {
        try await keeper.start()
        let listener = try await Listener.bind(
            listen, for: .programs, group: eventLoop, logger: logger
        ) { channel in
            NodeLink.prepare(channel).map {
                let forwarding = Task { await forward(channel) }
                channel.closeFuture.whenComplete { _ in forwarding.cancel() }
            }
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
