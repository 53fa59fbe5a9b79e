package import Blinding
package import Connection
package import Multiserver
package import MuxRPC
package import NIOCore
package import Tunnel
package import TypedSodium

/// A standing connection of this node to a portal, or straight to a peer, usable from any task.
package final class NodeLink: Sendable {
    /// The loop that everything of this connection runs on.
    package let eventLoop: any EventLoop

    private let core: NIOLoopBound<NodeLinkCore>

    /// The end of the connection: `nil` after a goodbye, else why.
    package let ended: EventLoopFuture<SessionFailure?>

    private init(
        core: NIOLoopBound<NodeLinkCore>, eventLoop: any EventLoop, ended: EventLoopFuture<SessionFailure?>
    ) {
        self.core = core
        self.eventLoop = eventLoop
        self.ended = ended
    }

    /// Dials a portal or peer over a connector, and returns once the handshake is over.
    ///
    /// `identity` is the key to show there, which need not be the one that friends know; `services` says over what the
    /// services of the configuration's policy are dialled; `report` is told, on the event loop, what happens.
    /// - Throws: ``DialFailure``.
    package static func dial(
        _ peer: PublicKey, over connector: any Connector, showing identity: Identity,
        configuration: NodeConnection.Configuration, services: [ServiceName: any Connector] = [:],
        on eventLoop: any EventLoop,
        report: @escaping @Sendable (NodeLinkEvent) -> Void = { _ in }
    ) async throws -> NodeLink {
        let link: EventLoopFuture<NodeLink> = eventLoop.flatSubmit {
            let core = NodeLinkCore(eventLoop: eventLoop, services: services, report: report)
            let bound = NIOLoopBound(core, eventLoop: eventLoop)
            let ended = core.ended.futureResult
            let connected = connector.connect(on: eventLoop) { $0.eventLoop.makeSucceededVoidFuture() }
            return connected.flatMapErrorThrowing { error in
                let failure = DialFailure(connecting: error)
                bound.value.giveUp(failure)
                throw failure
            }.flatMap { channel in
                do {
                    let machine = try NodeConnection(
                        to: peer, showing: identity, configuration: configuration, at: .now())
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
    package func announce() {
        onLoop { $0.act { $0.announce() } }
    }

    /// Announces tokens in the place of all before, in this order, and returns when the portal has taken them, or a
    /// later announcement that has replaced this one.
    ///
    /// - Throws: `RemoteError` with the portal's words when it does not take them, and the former ones stay;
    ///   `MuxRPCError` when it cannot be asked; ``SessionFailure`` when the connection ends before the answer.
    package func announce(hidden entries: [TokenEntry]) async throws {
        try await eventLoop.flatSubmit { [core] in core.value.announce(hidden: entries) }.get()
    }

    /// Changes what is offered to whom, and where it is to be had unless `services` is `nil`.
    ///
    /// Returns when sessions and streams that are not allowed any more have ended; others stay with the service that
    /// they have reached.
    package func update(policy: EndpointPolicy, services: [ServiceName: any Connector]? = nil) async {
        // The submitted work does not throw, and a loop that takes no more has no sessions either.
        try? await eventLoop.submit { [core] in
            if let services { core.value.services = services }
            core.value.act { $0.update(policy: policy) }
        }.get()
    }

    /// Answers a peer's question; nothing comes of it where the session is over.
    package func answer(_ question: QuestionID, with answer: Answer) {
        onLoop { $0.act { $0.answer(question, with: answer) } }
    }

    /// Opens a tunnel through this portal and a session with the target inside it.
    ///
    /// A hidden target is called by its token, and by the key that it shows the portal where that is known. The target
    /// gets to know `identity`, the configuration's unless it is that of an invite.
    /// - Throws: ``SessionFailure``.
    package func openTunnel(
        to target: PublicKey, token: PairToken? = nil, by shownKey: PublicKey? = nil, instance: Int = 0,
        as identity: Identity? = nil
    ) async throws -> SessionID {
        try await eventLoop.flatSubmit { [core] in
            core.value.openTunnel(to: target, token: token, by: shownKey, instance: instance, as: identity)
        }.get()
    }

    /// The end of a session inside a tunnel.
    package func end(of session: SessionID) -> EventLoopFuture<SessionFailure?> {
        eventLoop.flatSubmit { [core] in core.value.tunnelEnd(session) }
    }

    /// Says goodbye on a session inside a tunnel.
    package func closeTunnel(_ session: SessionID) {
        onLoop { $0.act { $0.closeTunnel(session) } }
    }

    /// Calls an async method.
    ///
    /// - Throws: `MuxRPCError`, or ``SessionFailure`` when the session ends before the answer.
    package func call(
        _ name: [String], _ arguments: [JSONValue] = [], on session: SessionID = .outer
    ) async throws -> Reply {
        try await eventLoop.flatSubmit { [core] in core.value.call(name, arguments, on: session) }.get()
    }

    /// Opens a source, whose items come until it ends or the reader stops.
    package func source(
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
    package func open(
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
    package static func prepare(_ channel: any Channel) -> EventLoopFuture<Void> {
        ChannelEnd.prepare(channel)
    }

    /// Closes a local channel so that its other end cannot take it for an orderly end.
    package static func reset(_ channel: any Channel) { ChannelEnd.reset(channel) }

    /// Joins a local channel of this link's event loop, which was prepared, to a service of the far side.
    ///
    /// The future ends with the stream: with a ``StreamFailure`` when it ended in the middle, with `MuxRPCError` when
    /// the session takes no stream, which leaves the channel to be joined elsewhere.
    package func join(
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

    /// The services that are open on this connection, of ours and of others, the oldest first.
    package var traffic: [StreamTraffic] {
        get async { (try? await eventLoop.submit { [core] in core.value.traffic.all }.get()) ?? [] }
    }

    // MARK: Another connection in the place of this one

    /// Puts up with more or less of the portal's silence from now on.
    package func expect(_ patience: Liveness.Patience) { onLoop { $0.act { $0.expect(patience) } } }

    /// Whether the portal has been silent for so long that another way to it is looked for.
    package var isSilent: Bool {
        get async {
            (try? await eventLoop.submit { [core] in core.value.act { $0.isSilent } }.get()) ?? false
        }
    }

    /// Takes no more calls, because another connection does, and ends once its tunnels have.
    package func retire() { onLoop { $0.act { $0.retire(at: .now()) } } }

    /// Says goodbye in order, and returns when the connection is gone.
    package func close() async {
        onLoop { $0.act { $0.close(at: .now()) } }
        _ = try? await ended.get()
    }

    private func onLoop(_ body: @escaping @Sendable (NodeLinkCore) -> Void) {
        eventLoop.execute { [core] in body(core.value) }
    }
}

/// One packet of a source.
package struct SourceItem: Sendable {
    /// How to read the body.
    package let type: BodyType
    /// What came.
    package let body: ByteBuffer
}
