internal import Blinding
internal import Multiserver
internal import MuxRPC
internal import NIOCore
internal import NIOPosix
internal import Sodium
internal import Tunnel

/// A node's connection on its event loop: joins the machine to local ends, promises and the owner's events.
final class NodeLinkCore {
    /// A stream without credit, as its reader sees it.
    typealias ItemSink = (Result<(BodyType, ByteBuffer), any Error>?) -> Void

    private struct ServiceUse {
        var name: ServiceName
        var friend: PublicKey
        /// What is being connected, one after the other where a name has several addresses.
        var attempts: [any Channel] = []
    }

    let eventLoop: any EventLoop
    /// Where services are to be had, for streams that are opened from now on.
    var services: [ServiceName: ServiceTarget]
    private let report: @Sendable (NodeLinkEvent) -> Void
    private var handler: MachineHandler<NodeConnection>?
    private var ends: [StreamKey: any StreamEnd] = [:]
    /// Those whose stream is over, and whose local side has not taken all of it.
    private var lingering: [StreamKey: ChannelEnd] = [:]
    private var waitingEnds: Set<StreamKey> = []
    private var uses: [StreamKey: ServiceUse] = [:]
    private var replies: [CallID: EventLoopPromise<Reply>] = [:]
    private var sinks: [StreamKey: ItemSink] = [:]
    private var announcements: [AnnouncementID: EventLoopPromise<Void>] = [:]
    private var tunnels: [SessionID: EventLoopPromise<SessionID>] = [:]
    private var openTunnels: Set<SessionID> = []
    private var tunnelEnds: [SessionID: EventLoopPromise<SessionFailure?>] = [:]
    private var failure: SessionFailure??
    /// What this connection shares with the others of its endpoint, and which of them it is.
    private var accounts: EndpointAccounts?
    private var number: ConnectionNumber?

    /// The session with the portal or peer.
    let established: EventLoopPromise<PublicKey>
    /// The end of it all.
    let ended: EventLoopPromise<SessionFailure?>

    init(
        eventLoop: any EventLoop, services: [ServiceName: ServiceTarget],
        report: @escaping @Sendable (NodeLinkEvent) -> Void
    ) {
        self.eventLoop = eventLoop
        self.services = services
        self.report = report
        established = eventLoop.makePromise()
        ended = eventLoop.makePromise()
    }

    func makeHandler(_ machine: NodeConnection) -> MachineHandler<NodeConnection> {
        let handler = MachineHandler(
            machine, perform: { [unowned self] in perform($0) },
            settled: { [unowned self] in resumeEnds() }, ended: { self.channelEnded() })
        self.handler = handler
        accounts = machine.accounts
        number = machine.number
        let core = NIOLoopBound(self, eventLoop: eventLoop)
        machine.accounts.listen(on: machine.number) { [eventLoop] displaced in
            eventLoop.execute { core.value.giveWay(displaced) }
        }
        return handler
    }

    /// Something here has to go for somebody who has less: a stream, or what is left of one.
    private func giveWay(_ displaced: Displaced) {
        act { $0.giveWay(displaced, at: .now()) }
        if let key = displaced.stream { lingering.removeValue(forKey: key)?.reset() }
    }

    /// A local end is gone.
    func lingersNoMore(_ key: StreamKey) { lingering[key] = nil }

    /// There will be no channel: nobody shall wait for a session.
    func giveUp(_ failure: DialFailure) {
        established.fail(failure)
        ended.succeed(.lost)
    }

    /// Uses the machine; before the channel stands, and after it is gone, nothing comes of it.
    func act<Result>(_ body: (NodeConnection) throws -> Result) rethrows -> Result {
        guard let handler else { preconditionFailure("a link is used once its handler is made") }
        return try handler.act(body)
    }

    // MARK: What the owner wants

    func announce(hidden entries: [TokenEntry]) -> EventLoopFuture<Void> {
        let promise = eventLoop.makePromise(of: Void.self)
        do {
            let announcement = try act { try $0.announce(hidden: entries) }
            if failure == nil {
                announcements[announcement] = promise
            } else {
                promise.fail(SessionFailure.lost)
            }
        } catch {
            promise.fail(error)
        }
        return promise.futureResult
    }

    /// Answers those that were replaced too: the newest stands for them.
    private func announced(_ announcement: AnnouncementID, _ error: RemoteError?) {
        for earlier in announcements.keys.filter({ $0 <= announcement }).sorted() {
            let promise = announcements.removeValue(forKey: earlier)
            if let error { promise?.fail(error) } else { promise?.succeed() }
        }
    }

    func openTunnel(
        to target: PublicKey, token: PairToken?, by shownKey: PublicKey?, instance: Int,
        as identity: Identity?
    ) -> EventLoopFuture<SessionID> {
        let promise = eventLoop.makePromise(of: SessionID.self)
        do {
            let session = try act {
                try $0.openTunnel(
                    to: target, token: token, by: shownKey, instance: instance, as: identity, at: .now())
            }
            tunnels[session] = promise
        } catch {
            promise.fail(error)
        }
        return promise.futureResult
    }

    func tunnelEnd(_ session: SessionID) -> EventLoopFuture<SessionFailure?> {
        guard openTunnels.contains(session) else { return eventLoop.makeSucceededFuture(.lost) }
        let promise = tunnelEnds[session] ?? eventLoop.makePromise()
        tunnelEnds[session] = promise
        return promise.futureResult
    }

    func call(_ name: [String], _ arguments: [JSONValue], on session: SessionID) -> EventLoopFuture<Reply> {
        let promise = eventLoop.makePromise(of: Reply.self)
        do {
            let call = try act { try $0.call(name, arguments, on: session) }
            if failure == nil { replies[call] = promise } else { promise.fail(SessionFailure.lost) }
        } catch {
            promise.fail(error)
        }
        return promise.futureResult
    }

    func openItems(
        _ kind: CallKind, _ name: [String], _ arguments: [JSONValue], on session: SessionID,
        sink: @escaping ItemSink
    ) throws {
        sinks[try act { try $0.openItems(kind, name, arguments, on: session) }] = sink
    }

    /// Opens a stream with credit; `makeEnd` gets the handle and gives its end.
    func openService(
        _ service: ServiceRequest, on session: SessionID, makeEnd: (StreamHandle) -> any StreamEnd
    ) throws {
        let key = try act { try $0.openService(service, on: session) }
        ends[key] = makeEnd(StreamHandle(link: self, key: key))
    }

    /// Opens a stream with credit for a local channel's end.
    func openService(
        _ service: ServiceRequest, on session: SessionID, for end: ChannelEnd, ended: EventLoopPromise<Void>
    ) throws {
        let key = try act { try $0.openService(service, on: session) }
        ends[key] = end
        end.attach(StreamHandle(link: self, key: key), ended: ended)
    }

    // MARK: Local ends

    func takesLocalInput(for key: StreamKey) -> Bool {
        if handler?.machine.wantsLocalInput == true { return true }
        waitingEnds.insert(key)
        return false
    }

    func forget(_ key: StreamKey) {
        ends[key] = nil
        waitingEnds.remove(key)
    }

    /// The backlog towards the portal may be gone: whoever waited for that reads on.
    private func resumeEnds() {
        guard !waitingEnds.isEmpty, handler?.machine.wantsLocalInput == true else { return }
        let waiting = waitingEnds
        waitingEnds = []
        for key in waiting { ends[key]?.resume() }
    }

    // MARK: What the machine wants

    private func perform(_ output: NodeOutput) {
        switch output {
        case .established(.outer, let peer):
            established.succeed(peer)
        case .established(let session, _):
            openTunnels.insert(session)
            tunnels.removeValue(forKey: session)?.succeed(session)
        case .ended(.outer, let failure):
            end(failure)
        case .ended(let session, let failure):
            openTunnels.remove(session)
            tunnels.removeValue(forKey: session)?.fail(failure ?? .lost)
            tunnelEnds.removeValue(forKey: session)?.succeed(failure)
            failReplies(of: session)
        case .reply(let call, let reply):
            replies.removeValue(forKey: call)?.succeed(reply)
        case .item(let key, let type, let body):
            sinks[key]?(.success((type, body)))
        case .itemsEnded(let key, let error):
            sinks.removeValue(forKey: key)?(error.map { .failure($0) })
        case .announced:
            report(.announced)
        case .announcementEnded(let error):
            report(.announcementEnded(error))
        case .tokensAnnounced(let announcement, let error):
            announced(announcement, error)
        case .asked(let question):
            report(.asked(question))
        case .connectService(let key, let name, let friend, let place):
            connect(key, name: name, friend: friend, place: place)
        case .service(let key, let event):
            perform(event, on: key)
        case .prove(let work):
            prove(work)
        case .wrongProof(let causer):
            ProofThread.shared.noteWrong(causer)
        case .giveWay(let displaced):
            accounts?.tell(displaced)
        case .happened(let happening):
            report(.happened(happening))
        }
    }

    /// Has a proof looked at, while everything else of the connection goes on.
    private func prove(_ work: ProofWork) {
        let core = NIOLoopBound(self, eventLoop: eventLoop)
        ProofThread.shared.look(at: work) { [eventLoop] in
            eventLoop.execute { core.value.act { $0.proved(work, at: .now()) } }
        }
    }

    private func perform(_ event: ServiceEvent, on key: StreamKey) {
        switch event {
        case .received(let bytes): ends[key]?.receive(bytes)
        case .receivedEnd: ends[key]?.receiveEnd()
        case .wantsMore: ends[key]?.resume()
        case .closed(let failure, let sent, let received):
            let end = ends[key]
            forget(key)
            end?.close(failure)
            if let end = end as? ChannelEnd, end.isOpen { lingering[key] = end }
            if let use = uses.removeValue(forKey: key) {
                // A stream that gives way leaves its socket at once, also one that nothing answers yet.
                for attempt in use.attempts { attempt.close(promise: nil) }
                report(
                    .serviceClosed(
                        name: use.name, friend: use.friend, sent: sent, received: received, failure: failure))
            }
        }
    }

    // MARK: Services

    private func connect(_ key: StreamKey, name: ServiceName, friend: PublicKey, place: ServicePlace) {
        guard let target = services[name] else {
            act { $0.refuseService(key, message: NodeErrorText.unknownService) }
            return
        }
        uses[key] = ServiceUse(name: name, friend: friend)
        let core = NIOLoopBound(self, eventLoop: eventLoop)
        let future = target.connect(on: eventLoop, place: place) { channel in
            core.value.begin(channel, for: key)
        }
        future.flatMapThrowing { channel in
            // The handler is gone where the service has closed already.
            let end = try channel.pipeline.syncOperations.handler(type: ChannelEnd.self)
            return NIOLoopBound((channel, end), eventLoop: channel.eventLoop)
        }.assumeIsolated().whenComplete { [self] result in
            switch result {
            case .success(let connected):
                let (channel, end) = connected.value
                // The stream ended in the middle meanwhile.
                guard uses[key] != nil else { return NodeLink.reset(channel) }
                uses[key]?.attempts = []
                ends[key] = end
                report(.serviceOpened(name: name, friend: friend))
                act { $0.serviceConnected(key) }
                end.attach(StreamHandle(link: self, key: key))
            case .failure(let error):
                guard uses.removeValue(forKey: key) != nil else { return }
                report(.serviceNotListening(name: name, friend: friend, reason: ErrorWords.text(of: error)))
                act { $0.refuseService(key, message: NodeErrorText.serviceNotListening) }
            }
        }
    }

    /// Whether a channel is still wanted that is about to be connected.
    private func begin(_ channel: any Channel, for key: StreamKey) -> Bool {
        guard uses[key] != nil else { return false }
        uses[key]?.attempts.append(channel)
        return true
    }

    // MARK: The end

    private func failReplies(of session: SessionID) {
        for call in replies.keys.filter({ $0.session == session }) {
            replies.removeValue(forKey: call)?.fail(SessionFailure.lost)
        }
    }

    private func end(_ failure: SessionFailure?) {
        guard self.failure == nil else { return }
        self.failure = .some(failure)
        failReplies(of: .outer)
        for promise in announcements.values { promise.fail(SessionFailure.lost) }
        announcements = [:]
        established.fail(DialFailure.session(failure ?? .lost))
        ended.succeed(failure)
    }

    private func channelEnded() {
        if let number { accounts?.forget(number) }
        for promise in tunnels.values { promise.fail(SessionFailure.lost) }
        for promise in tunnelEnds.values { promise.succeed(.lost) }
        for promise in replies.values { promise.fail(SessionFailure.lost) }
        (tunnels, tunnelEnds, replies) = ([:], [:], [:])
        end(.lost)
    }
}

@available(*, unavailable)
extension NodeLinkCore: Sendable {}

extension ServiceTarget {
    /// Connects, on the loop of the tunnel's connection, and reads nothing yet; the channel has a ``ChannelEnd``.
    ///
    /// A name may have several addresses, and each that is tried gets a channel of its own, with an end of its own.
    func connect(
        on eventLoop: any EventLoop, place: ServicePlace? = nil, resolver: (any Resolver & Sendable)? = nil,
        isWanted: @escaping @Sendable (any Channel) -> Bool = { _ in true }
    ) -> EventLoopFuture<any Channel> {
        let bootstrap = ClientBootstrap(group: eventLoop)
            .resolver(resolver)
            .companionwayOptions()
            .connectTimeout(.seconds(10))
            .channelInitializer { channel in
                guard isWanted(channel) else {
                    return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
                }
                return NodeLink.prepare(channel, at: place)
            }
        switch self {
        case .tcp(let host, let port):
            return bootstrap.serviceOptions().connect(host: host, port: Int(port))
        case .unix(let path):
            return bootstrap.connect(unixDomainSocketPath: path)
        }
    }
}
