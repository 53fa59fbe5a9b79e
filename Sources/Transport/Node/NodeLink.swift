public import Blinding
internal import Glibc
public import MuxRPC
public import Multiserver
public import NIOCore
internal import NIOPosix
public import Sodium
public import Tunnel

/// A standing connection of this node to a portal, or straight to a peer, usable from any task.
public final class NodeLink: Sendable {
    /// The loop that everything of this connection runs on.
    public let eventLoop: any EventLoop

    private let core: NIOLoopBound<NodeLinkCore>

    /// The end of the connection: `nil` after a goodbye, else why.
    public let ended: EventLoopFuture<SessionFailure?>

    private init(
        core: NIOLoopBound<NodeLinkCore>, eventLoop: any EventLoop, ended: EventLoopFuture<SessionFailure?>
    ) {
        self.core = core
        self.eventLoop = eventLoop
        self.ended = ended
    }

    /// How long the network may take to connect.
    public static let connectTime = TimeAmount.seconds(10)

    /// Dials a portal or peer, and returns once the handshake is over.
    ///
    /// `identity` is the key to show there, which need not be the one that friends know; where not the owner but somebody
    /// else is the `author` of the address, it is not dialled at this machine or its links; `services` says where the
    /// services of the configuration's policy are to be had; `report` is told, on the event loop, what happens.
    /// - Throws: ``DialFailure``.
    public static func dial(
        _ peer: PeerAddress, namedBy author: AddressAuthor = .owner, showing identity: Identity,
        configuration: NodeConnection.Configuration, services: [ServiceName: ServiceTarget] = [:],
        on eventLoop: any EventLoop,
        report: @escaping @Sendable (NodeLinkEvent) -> Void = { _ in }
    ) async throws -> NodeLink {
        let link: EventLoopFuture<NodeLink> = eventLoop.flatSubmit {
            let core = NodeLinkCore(eventLoop: eventLoop, services: services, report: report)
            let bound = NIOLoopBound(core, eventLoop: eventLoop)
            let ended = core.ended.futureResult
            let connected = ClientBootstrap(group: eventLoop)
                .networkOptions()
                .connectTimeout(connectTime)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        guard author == .others else { return }
                        try channel.pipeline.syncOperations.addHandler(LocalAddressGuard())
                    }
                }
                .connect(host: peer.net.host, port: Int(peer.net.port))
            return connected.flatMapErrorThrowing { error in
                let failure = DialFailure(connecting: error)
                bound.value.giveUp(failure)
                throw failure
            }.flatMap { channel in
                ChannelSettings.boundOnShortPath(channel)
                do {
                    let machine = try NodeConnection(
                        to: peer.key, showing: identity, configuration: configuration, at: .now())
                    try channel.pipeline.syncOperations.addHandler(bound.value.makeHandler(machine))
                } catch {
                    bound.value.giveUp(.session(.wrongPeer))
                    return channel.close().flatMapThrowing { throw DialFailure.session(.wrongPeer) }
                }
                return bound.value.established.futureResult.map { _ in
                    NodeLink(core: bound, eventLoop: eventLoop, ended: ended)
                }
            }
        }
        return try await link.get()
    }

    /// Announces this node by its id; the answer comes as an event.
    public func announce() {
        onLoop { $0.act { $0.announce() } }
    }

    /// Announces tokens in the place of all before, in this order, and returns when the portal has taken them, or a
    /// later announcement that has replaced this one.
    ///
    /// - Throws: `RemoteError` with the portal's words when it does not take them, and the former ones stay;
    ///   `MuxRPCError` when it cannot be asked; ``SessionFailure`` when the connection ends before the answer.
    public func announce(hidden entries: [TokenEntry]) async throws {
        try await eventLoop.flatSubmit { [core] in core.value.announce(hidden: entries) }.get()
    }

    /// Changes what is offered to whom, and where it is to be had unless `services` is `nil`.
    ///
    /// Returns when sessions and streams that are not allowed any more have ended; others stay with the service that
    /// they have reached.
    public func update(policy: EndpointPolicy, services: [ServiceName: ServiceTarget]? = nil) async {
        // The submitted work does not throw, and a loop that takes no more has no sessions either.
        try? await eventLoop.submit { [core] in
            if let services { core.value.services = services }
            core.value.act { $0.update(policy: policy) }
        }.get()
    }

    /// Answers a peer's question; nothing comes of it where the session is over.
    public func answer(_ question: QuestionID, with answer: Answer) {
        onLoop { $0.act { $0.answer(question, with: answer) } }
    }

    /// Opens a tunnel through this portal and a session with the target inside it.
    ///
    /// A hidden target is called by its token, and by the key that it shows the portal where that is known. The target
    /// gets to know `identity`, the configuration's unless it is that of an invite.
    /// - Throws: ``SessionFailure``.
    public func openTunnel(
        to target: PublicKey, token: PairToken? = nil, by shownKey: PublicKey? = nil, instance: Int = 0,
        as identity: Identity? = nil
    ) async throws -> SessionID {
        try await eventLoop.flatSubmit { [core] in
            core.value.openTunnel(to: target, token: token, by: shownKey, instance: instance, as: identity)
        }.get()
    }

    /// The end of a session inside a tunnel.
    public func end(of session: SessionID) -> EventLoopFuture<SessionFailure?> {
        eventLoop.flatSubmit { [core] in core.value.tunnelEnd(session) }
    }

    /// Says goodbye on a session inside a tunnel.
    public func closeTunnel(_ session: SessionID) {
        onLoop { $0.act { $0.closeTunnel(session) } }
    }

    /// Calls an async method.
    ///
    /// - Throws: `MuxRPCError`, or ``SessionFailure`` when the session ends before the answer.
    public func call(
        _ name: [String], _ arguments: [JSONValue] = [], on session: SessionID = .outer
    ) async throws -> Reply {
        try await eventLoop.flatSubmit { [core] in core.value.call(name, arguments, on: session) }.get()
    }

    /// Opens a source, whose items come until it ends or the reader stops.
    public func source(
        _ name: [String], _ arguments: [JSONValue] = [], on session: SessionID = .outer
    ) -> AsyncThrowingStream<SourceItem, any Error> {
        AsyncThrowingStream { continuation in
            onLoop { core in
                do {
                    try core.openItems(.source, name, arguments, on: session) { item in
                        switch item {
                        case .success((let type, let body))?:
                            continuation.yield(SourceItem(type: type, body: body))
                        case .failure(let error)?:
                            continuation.finish(throwing: error)
                        case nil:
                            continuation.finish()
                        }
                    }
                } catch {
                    continuation.finish(throwing: error)
                }
            }
        }
    }

    /// Opens a stream with credit; `makeEnd` is called on the event loop and gives our end of it.
    ///
    /// - Throws: `MuxRPCError`.
    public func open(
        _ service: ServiceRequest, on session: SessionID,
        makeEnd: @escaping @Sendable (StreamHandle) -> any StreamEnd
    ) async throws {
        try await eventLoop.submit { [core] () -> Void in
            try core.value.openService(service, on: session, makeEnd: makeEnd)
        }.get()
    }

    /// Makes a new channel ready for ``join(_:to:on:)``: to be called from its initialiser, before it can be read.
    ///
    /// Until it is joined nothing is read of it, and what it brings when it is closed meanwhile is kept.
    public static func prepare(_ channel: any Channel) -> EventLoopFuture<Void> { prepare(channel, at: nil) }

    /// The same for a channel to a service, which takes a place for as long as it stands.
    static func prepare(_ channel: any Channel, at place: ServicePlace?) -> EventLoopFuture<Void> {
        channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(ChannelEnd(place: place))
        }
    }

    /// Closes a local channel so that its other end cannot take it for an orderly end.
    public static func reset(_ channel: any Channel) {
        if let socket = channel as? any SocketOptionProvider {
            socket.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenFailure { _ in }
        }
        channel.close(promise: nil)
    }

    /// Joins a local channel of this link's event loop, which was prepared, to a service of the far side.
    ///
    /// The future ends with the stream: with a ``StreamFailure`` when it ended in the middle, with `MuxRPCError` when
    /// the session takes no stream, which leaves the channel to be joined elsewhere.
    public func join(
        _ channel: any Channel, to service: ServiceRequest, on session: SessionID
    ) -> EventLoopFuture<Void> {
        let core = core
        return eventLoop.flatSubmit {
            let promise = channel.eventLoop.makePromise(of: Void.self)
            do {
                let end = try channel.pipeline.syncOperations.handler(type: ChannelEnd.self)
                try core.value.openService(service, on: session, for: end, ended: promise)
            } catch {
                promise.fail(error)
            }
            return promise.futureResult
        }
    }

    /// Says goodbye in order, and returns when the connection is gone.
    public func close() async {
        onLoop { $0.act { $0.close(at: .now()) } }
        _ = try? await ended.get()
    }

    private func onLoop(_ body: @escaping @Sendable (NodeLinkCore) -> Void) {
        eventLoop.execute { [core] in body(core.value) }
    }
}

extension DialFailure {
    /// Why no connection came to stand.
    init(connecting error: any Error) {
        if let error = error as? NIOConnectionError {
            let refusals = error.connectionErrors.compactMap { $0.error as? LocalAddressError }
            if let refusal = refusals.first, refusals.count == error.connectionErrors.count {
                self = .localAddress(refusal)
                return
            }
        }
        self = .unreachable(ErrorWords.text(of: error))
    }
}

/// One packet of a source.
public struct SourceItem: Sendable {
    /// How to read the body.
    public let type: BodyType
    /// What came.
    public let body: ByteBuffer
}
