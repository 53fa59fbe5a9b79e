internal import Blinding
internal import Connection
internal import Multiserver
internal import MuxRPC
package import NIOCore
internal import Tunnel
internal import TypedSodium

/// A node's connection on its event loop: joins the machine to local ends, promises and the owner's events.
final class NodeLinkCore {
    /// A stream without credit, as its reader sees it.
    typealias ItemSink = (Result<(BodyType, ByteBuffer), any Error>?) -> Void

    private enum Promises: AnswerWaiters {
        typealias Reply = EventLoopPromise<MuxRPC.Reply>
        typealias Announcement = EventLoopPromise<Void>
        typealias Tunnel = EventLoopPromise<SessionID>
        typealias End = EventLoopPromise<SessionFailure?>
    }

    let eventLoop: any EventLoop
    /// Over what services are dialled, for streams that are opened from now on.
    var services: [ServiceName: any Connector]
    private let report: @Sendable (NodeLinkEvent) -> Void
    private var handler: MachineHandler<NodeConnection>?
    private var ends = LocalEnds<any StreamEnd, any Channel>()
    private var owed = OwedAnswers<Promises>()
    private var sinks: [StreamKey: ItemSink] = [:]
    fileprivate(set) var traffic = TrafficTable()
    private var isOver = false

    /// The session with the portal or peer.
    let established: EventLoopPromise<PublicKey>
    /// The end of it all.
    let ended: EventLoopPromise<SessionFailure?>

    init(
        eventLoop: any EventLoop, services: [ServiceName: any Connector],
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
        let core = NIOLoopBound(self, eventLoop: eventLoop)
        machine.accounts.listen(on: machine.number) { [eventLoop] displaced in
            eventLoop.execute { core.value.giveWay(displaced) }
        }
        return handler
    }

    /// Something here has to go for somebody who has less: a stream, or what is left of one.
    private func giveWay(_ displaced: Displaced) {
        act { $0.giveWay(displaced, at: .now()) }
        guard let key = displaced.stream else { return }
        ends.giveWay(key)?.reset()
        leaveAccounts()
    }

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
        answer { machine, promise in owed.await(promise, of: try machine.announce(hidden: entries)) }
    }

    func openTunnel(
        to target: PublicKey, token: PairToken?, by shownKey: PublicKey?, instance: Int,
        as identity: Identity?
    ) -> EventLoopFuture<SessionID> {
        answer { machine, promise in
            let session = try machine.openTunnel(
                to: target, token: token, by: shownKey, instance: instance, as: identity, at: .now())
            owed.await(promise, of: session)
        }
    }

    func tunnelEnd(_ session: SessionID) -> EventLoopFuture<SessionFailure?> {
        let promise = owed.awaitEnd(of: session) { eventLoop.makePromise() }
        return promise?.futureResult ?? eventLoop.makeSucceededFuture(.lost)
    }

    func call(_ name: [String], _ arguments: [JSONValue], on session: SessionID) -> EventLoopFuture<Reply> {
        answer { machine, promise in owed.await(promise, to: try machine.call(name, arguments, on: session)) }
    }

    /// Asks the machine for something; the promise waits before anything comes of it.
    private func answer<Value>(
        _ ask: (NodeConnection, EventLoopPromise<Value>) throws -> Void
    ) -> EventLoopFuture<Value> {
        let promise = eventLoop.makePromise(of: Value.self)
        do {
            try act { try ask($0, promise) }
        } catch {
            promise.fail(error)
        }
        return promise.futureResult
    }

    func openItems(
        _ kind: CallKind, _ name: [String], _ arguments: [JSONValue], on session: SessionID,
        sink: @escaping ItemSink
    ) throws {
        try act { sinks[try $0.openItems(kind, name, arguments, on: session)] = sink }
    }

    /// Opens a stream with credit; `makeEnd` gets the handle and gives its end.
    func openService(
        _ service: ServiceRequest, on session: SessionID, makeEnd: (StreamHandle) -> any StreamEnd
    ) throws {
        let key = try act { try $0.openService(service, on: session) }
        ends.insert(makeEnd(StreamHandle(link: self, key: key)), at: key)
    }

    /// Opens a stream with credit for a local channel's end.
    func openService(
        _ service: ServiceRequest, on session: SessionID, for end: ChannelEnd, ended: EventLoopPromise<Void>
    ) throws {
        let key = try act { try $0.openService(service, on: session) }
        ends.insert(end, at: key)
        if case .service(let name) = service { traffic.open(ServiceName(name, at: 0), of: nil, at: key) }
        end.attach(StreamHandle(link: self, key: key), ended: ended)
    }

    // MARK: Local ends

    func takesLocalInput(for key: StreamKey) -> Bool {
        if handler?.machine.wantsLocalInput == true { return true }
        ends.wait(key)
        return false
    }

    func forget(_ key: StreamKey) { ends.remove(key) }

    /// A local end is gone.
    func isGone(_ key: StreamKey) {
        ends.isGone(key)
        leaveAccounts()
    }

    /// The backlog towards the portal may be gone: whoever waited for that reads on.
    private func resumeEnds() {
        guard ends.hasWaiting, handler?.machine.wantsLocalInput == true else { return }
        for end in ends.takeWaiting() { end.resume() }
    }

    // MARK: What the machine wants

    private func perform(_ output: NodeOutput) {
        switch output {
        case .established(.outer, let peer): established.succeed(peer)
        case .established(let session, _): owed.established(session)?.succeed(session)
        case .ended(.outer, let failure): end(failure)
        case .ended(let session, let failure): fail(owed.ended(session), failure)
        case .reply(let call, let reply): owed.replied(to: call)?.succeed(reply)
        case .item(let key, let type, let body): sinks[key]?(.success((type, body)))
        case .itemsEnded(let key, let error): sinks.removeValue(forKey: key)?(error.map { .failure($0) })
        case .announced: report(.announced)
        case .announcementEnded(let error): report(.announcementEnded(error))
        case .tokensAnnounced(let announcement, let error):
            for promise in owed.answered(announcement) {
                if let error { promise.fail(error) } else { promise.succeed() }
            }
        case .fellSilent: report(.fellSilent)
        case .moveAsked: report(.moveAsked)
        case .asked(let question): report(.asked(question))
        case .connectService(let key, let name, let friend, let place):
            connect(key, name: name, friend: friend, place: place)
        case .service(let key, let event): perform(event, on: key)
        case .prove(let work): prove(work)
        case .wrongProof(let causer): ProofThread.shared.noteWrong(causer)
        case .giveWay(let displaced): handler?.machine.accounts.tell(displaced)
        case .event(let event): report(.event(event))
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
        case .received(let bytes):
            traffic.received(bytes.readableBytes, on: key)
            ends[key]?.receive(bytes)
        case .receivedEnd: ends[key]?.receiveEnd()
        case .wantsMore: ends[key]?.resume()
        case .closed(let failure, let sent, let received):
            let (end, use) = ends.close(key)
            traffic.close(key)
            if let end {
                end.close(failure)
                if end.isOpen { ends.linger(end, at: key) }
            }
            guard let use else { return }
            // A stream that gives way leaves its socket at once, also one that nothing answers yet.
            for attempt in use.attempts { attempt.close(promise: nil) }
            report(
                .serviceClosed(
                    name: use.name, friend: use.friend, sent: sent, received: received, failure: failure))
        }
    }

    // MARK: Services

    private func connect(_ key: StreamKey, name: ServiceName, friend: PublicKey, place: ServicePlace) {
        guard let connector = services[name] else {
            return act { $0.refuseService(key, message: ErrorText.unknownService) }
        }
        ends.begin(name, of: friend, at: key)
        let core = NIOLoopBound(self, eventLoop: eventLoop)
        let future = connector.connect(on: eventLoop) { channel in
            guard core.value.ends.attempt(channel, for: key) else {
                return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
            }
            return ChannelEnd.prepare(channel, at: place)
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
                guard ends.connected(end, for: key) else { return ChannelEnd.reset(channel) }
                traffic.open(name, of: friend, at: key)
                report(.serviceOpened(name: name, friend: friend))
                act { $0.serviceConnected(key) }
                end.attach(StreamHandle(link: self, key: key))
            case .failure(let error):
                guard ends.failed(for: key) else { return }
                report(.serviceNotListening(name: name, friend: friend, reason: error))
                act { $0.refuseService(key, message: ErrorText.serviceNotListening) }
            }
        }
    }

    // MARK: The end

    private func fail(_ owed: OwedAnswers<Promises>.OfSession, _ failure: SessionFailure?) {
        owed.tunnel?.fail(failure ?? .lost)
        owed.end?.succeed(failure)
        for promise in owed.replies { promise.fail(SessionFailure.lost) }
    }

    private func end(_ failure: SessionFailure?) {
        guard !isOver else { return }
        isOver = true
        let (replies, announcements) = owed.portalEnded()
        for promise in replies { promise.fail(SessionFailure.lost) }
        for promise in announcements { promise.fail(SessionFailure.lost) }
        established.fail(DialFailure.session(failure ?? .lost))
        ended.succeed(failure)
    }

    private func channelEnded() {
        for left in owed.abandoned() { fail(left, .lost) }
        end(.lost)
        ends.connectionEnded()
        leaveAccounts()
    }

    /// Listens no more once nothing here can be told to give way.
    private func leaveAccounts() {
        guard ends.areOver, let machine = handler?.machine else { return }
        machine.accounts.forget(machine.number)
    }
}

@available(*, unavailable)
extension NodeLinkCore: Sendable {}

/// A stream as its end uses it, on the connection's event loop.
package struct StreamHandle {
    private let link: NodeLinkCore
    private let key: StreamKey

    init(link: NodeLinkCore, key: StreamKey) {
        self.link = link
        self.key = key
    }

    /// Whether the connection's backlog is short enough to read more for it.
    package var takesInput: Bool { link.takesLocalInput(for: key) }

    /// Sends bytes; `false` when no more should be given until `StreamEnd.resume()`.
    package func send(_ bytes: ByteBuffer) -> Bool {
        link.traffic.sent(bytes.readableBytes, on: key)
        return link.act { $0.send(bytes, on: key) }
    }

    /// Says that no more bytes will be given.
    package func sendEnd() { link.act { $0.sendEnd(on: key) } }

    /// Says that received bytes are gone, so that the far side may send more.
    package func drained(_ byteCount: Int) { link.act { $0.drained(byteCount, on: key) } }

    /// Says that what was received is gone, or will never be: the local side is.
    func endIsGone() { link.isGone(key) }

    /// Ends the stream in the middle; the far side is told why.
    package func fail(_ message: String) {
        link.forget(key)
        link.traffic.close(key)
        link.act { $0.refuseService(key, message: message) }
    }
}
