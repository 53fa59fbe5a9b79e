internal import Account
internal import Connection
internal import MuxRPC
internal import NIOCore
internal import SecureSession
internal import TypedSodium

/// The tunnels that end at one connection: how they are opened, what passes in both directions, and who is cut.
struct PortalTunnels: ~Copyable {
    /// The longest argument of `tunnel.connect` that is passed on, in bytes of JSON; real ones have 200.
    private static let argumentByteLimit = 16 << 10

    private let peer: PortalPeer
    private var legs: PortalLegs
    /// What waits to be sent to the peer.
    private var queues: OutboundQueues<RelayedBatch>

    init(of peer: PortalPeer) {
        self.peer = peer
        legs = PortalLegs(of: peer)
        queues = OutboundQueues(patience: peer.settings.patience)
    }

    /// Whether the peer must not be read, because a queue that it fills is full.
    var isPaused: Bool { legs.isPaused }

    /// When ``timeReached()`` is due next.
    var deadline: NIODeadline? {
        queues.stuckDeadline.earlier(queues.pacedDeadline).earlier(legs.deadline)
    }

    /// Sees to what is due.
    mutating func timeReached() {
        queues.resumePaced(at: peer.now)
        cutStuck()
        judgePauses()
        refuseExpired()
        leaveSilent()
    }

    /// Whether there is no tunnel.
    var isEmpty: Bool { legs.count == 0 }

    /// Whether each tunnel has a queue towards the peer.
    var invariantsHold: Bool { legs.invariantsHold && queues.count == legs.count }

    // MARK: Packets

    /// A read has brought so many bytes.
    mutating func beginRead(of byteCount: Int) { legs.beginRead(of: byteCount) }

    /// Opens the packet that the session has just announced, for the tunnel it belongs to.
    mutating func open(_ byteCount: Int, on stream: StreamID, of session: SecureSession) {
        legs.open(byteCount, on: stream, of: session)
    }

    /// Takes what came otherwise than as one packet of bytes.
    mutating func append(_ body: ByteBuffer, type: BodyType, on stream: StreamID) {
        legs.append(body, type: type, on: stream)
    }

    /// Hands over what the read has brought.
    mutating func flush() { legs.flush() }

    /// Another connection sends packets to the peer.
    mutating func append(_ batch: consuming RelayedBatch, to tunnel: TunnelID) {
        if !legs.attempts.isEmpty { legs.attempts.remove(tunnel) }
        if !legs.unanswered.append(batch, to: tunnel) { queues.append(batch, to: tunnel, at: peer.now) }
    }

    /// Seals what a tunnel sends next; whether there was anything.
    mutating func takeTurn(for session: SecureSession, at now: NIODeadline) -> Bool {
        guard let turn = queues.next(at: now) else { return false }
        switch consume turn {
        case .batch(let tunnel, var batch, let resumesSender):
            guard let leg = legs[tunnel] else { return true }
            if resumesSender { peer.post(.resume(tunnel), to: leg.far.mailbox) }
            legs.noteCarried(leg, at: now)
            let isUsedUp = leg.tunnel.cause.meters.count(batch.packets.byteCount, at: now)
            session.send(batch.takePackets(), on: leg.stream)
            if isUsedUp { cut(leg, .volume) }
        case .end(let tunnel, let message):
            if let leg = legs[tunnel] { peer.end(leg.stream, message: message) }
            forget(tunnel)
        }
        return true
    }

    /// The queue that the peer fills has room again.
    mutating func resume(_ tunnel: TunnelID) { legs.resume(tunnel) }

    // MARK: Opening

    /// Hop 1: a client wants to be connected.
    mutating func connect(_ request: Request, from caller: PublicKey) {
        var isByToken = false
        do throws(ConnectRefusal) {
            let connect = try ConnectRequest(
                request.arguments, from: caller, at: peer.portal.identity.publicKey)
            isByToken = connect.isByToken
            let argumentByteCount = connect.forwarded.serialized.readableBytes
            guard argumentByteCount <= Self.argumentByteLimit else { throw .invalidArguments }
            let opened = try peer.portal.openTunnel(
                TunnelWish(
                    request: connect, client: peer.id, caller: caller, argumentByteCount: argumentByteCount,
                    time: peer.now))
            let tunnel = begin(opened, for: connect, on: request.stream)
            legs.attempts.begin(
                connect, over: tunnel.id, others: opened.others, account: peer.account, at: peer.now)
            peer.emit(
                isByToken
                    ? .tunnelOpenedByToken(tunnel.id)
                    : .tunnelOpened(tunnel.id, from: caller, to: tunnel.endpoint.peer))
        } catch {
            peer.session.muxrpc.fail(request.stream, message: error.message)
            peer.count { $0.tunnelRefusals[error.kind, default: 0] += 1 }
            peer.emit(.refused(isByToken ? nil : caller, reason: error.reason))
        }
    }

    /// Asks the endpoint of a tunnel that was opened for the peer.
    private mutating func begin(
        _ opened: Portal.OpenedTunnel, for request: ConnectRequest, on stream: StreamID
    ) -> PortalTunnel {
        let tunnel = opened.tunnel
        peer.count { $0.tunnels[request.isByToken ? .hidden : .open, default: 0] += 1 }
        if let displaced = opened.displaced { peer.cut(displaced, .places) }
        insert(tunnel, on: stream)
        peer.post(
            .open(tunnel, argument: request.forwarded, request: request.targetText),
            to: tunnel.endpoint.mailbox)
        return tunnel
    }

    private mutating func insert(_ tunnel: PortalTunnel, on stream: StreamID) {
        legs.insert(PortalLeg(tunnel, stream: stream, on: peer.id, at: peer.now))
        queues.insert(tunnel.end(on: peer.id).flow)
    }

    /// Hop 2: a client's connection has registered a tunnel that ends here.
    ///
    /// It is refused where it cannot be opened, and where the endpoint leaves too much unread: each call to it
    /// takes memory that no tunnel's queue counts.
    mutating func open(_ tunnel: PortalTunnel, argument: JSONValue, request: String) {
        if legs.unanswered.mustWait(tunnel), !tunnel.endpoint.flow.isClosed {
            legs.unanswered.wait(
                UnansweredCalls.Call(
                    tunnel: tunnel, argument: argument, request: request,
                    until: peer.now + UnansweredCalls.patience))
            return
        }
        // The flow is closed where the tunnel was cut by a third connection, whose message came first.
        let session = peer.session
        guard session.outboundByteCount <= peer.settings.controlByteCount,
            !tunnel.endpoint.flow.isClosed,
            let stream = try? session.muxrpc.open(.duplex, Method.connect.name, [argument])
        else {
            refuse(tunnel, .unreachable(request))
            return
        }
        insert(tunnel, on: stream)
    }

    /// Passes calls on that need not wait any more, with what was sent behind them.
    mutating func openWaiting() {
        while let call = legs.unanswered.next() {
            open(call.tunnel, argument: call.argument, request: call.request)
            for batch in call.batches { queues.append(batch, to: call.tunnel.id, at: peer.now) }
        }
    }

    /// Refuses calls that have waited in vain.
    private mutating func refuseExpired() {
        while let call = legs.unanswered.expired(at: peer.now) { refuse(call.tunnel, .busy) }
    }

    private func refuse(_ tunnel: PortalTunnel, _ refusal: ConnectRefusal) {
        peer.count { $0.tunnelRefusals[refusal.kind, default: 0] += 1 }
        peer.post(.ended(tunnel.id, message: refusal.message), to: tunnel.client.mailbox)
        drop(tunnel)
    }

    // MARK: Other announcers

    /// Asks the next announcer in the place of one that has refused, or is silent; whether there is one.
    private mutating func askNext(insteadOf tunnel: TunnelID) -> Bool {
        guard !legs.attempts.isEmpty, var attempt = legs.attempts.remove(tunnel),
            peer.now <= attempt.end,
            let leg = legs[tunnel], let caller = peer.key,
            let opened = try? peer.portal.openTunnel(
                TunnelWish(
                    request: attempt.request, client: peer.id, caller: caller,
                    argumentByteCount: attempt.request.forwarded.serialized.readableBytes, time: peer.now),
                among: attempt.others)
        else { return false }
        forget(tunnel)
        let next = begin(opened, for: attempt.request, on: leg.stream)
        legs.resend(attempt.early.map { $0.copied() }, on: next.id)
        attempt.others = opened.others
        legs.attempts.keep(attempt, over: next.id, at: peer.now)
        peer.emit(.tunnelOpenedByToken(next.id))
        return true
    }

    /// Asks others in the place of those that have been silent for too long.
    private mutating func leaveSilent() {
        for tunnel in legs.attempts.silent(at: peer.now) {
            guard let far = legs[tunnel]?.far, askNext(insteadOf: tunnel) else { continue }
            peer.post(.ended(tunnel, message: ErrorText.otherSideIsGone), to: far.mailbox)
        }
    }

    // MARK: Cuts

    /// A tunnel was cut elsewhere, or is cut here.
    mutating func cut(_ tunnel: TunnelID, _ reason: TunnelCut) {
        if let call = legs.unanswered.removeWaiting(tunnel) { drop(call.tunnel) }
        guard let leg = legs[tunnel] else { return }
        peer.session.muxrpc.fail(leg.stream, message: reason.message)
        forget(tunnel)
    }

    /// Cuts the tunnels that keep others of our peer waiting.
    mutating func judgePauses() {
        for tunnel in legs.judgePauses() {
            if let leg = legs[tunnel] { cut(leg, .slow) }
        }
    }

    /// Cuts the tunnels whose senders wait for our peer in vain.
    private mutating func cutStuck() {
        for tunnel in queues.stuck(at: peer.now) {
            guard let leg = legs[tunnel] else { continue }
            if queues.resumeIfRoom(tunnel) {
                peer.post(.resume(tunnel), to: leg.far.mailbox)
            } else {
                cut(leg, .stuck)
            }
        }
    }

    private mutating func cut(_ leg: PortalLeg, _ reason: TunnelCut) {
        peer.post(.cut(leg.tunnel.id, reason), to: leg.far.mailbox)
        peer.noteCut(leg.tunnel.id, reason)
        cut(leg.tunnel.id, reason)
    }

    // MARK: Ends

    /// The peer has ended a stream, perhaps a tunnel's.
    mutating func streamEnded(_ stream: StreamID, message: String?) {
        guard let leg = legs[stream] else { return }
        legs.handOver(leg)
        peer.post(.ended(leg.tunnel.id, message: message), to: leg.far.mailbox)
        forget(leg.tunnel.id)
    }

    /// The other side has ended: the end goes behind what waits, unless another announcer can be asked.
    mutating func farSideEnded(_ tunnel: TunnelID, message: String?) {
        if let call = legs.unanswered.removeWaiting(tunnel) { drop(call.tunnel) }
        guard !askNext(insteadOf: tunnel), legs.closeReceive(of: tunnel) else { return }
        queues.appendEnd(message: message, to: tunnel)
    }

    /// Ends the tunnels that the peer has asked for, in the order in which they were opened.
    mutating func endOwn(message: String) {
        for leg in legs.ofClient(peer.id) {
            peer.post(.ended(leg.tunnel.id, message: ErrorText.otherSideIsGone), to: leg.far.mailbox)
            peer.session.muxrpc.fail(leg.stream, message: message)
            forget(leg.tunnel.id)
        }
    }

    /// Ends every tunnel towards the peer; ``removeAll()`` forgets them.
    func fail(message: String) {
        for stream in legs.streams { peer.session.muxrpc.fail(stream, message: message) }
    }

    mutating func removeAll() {
        queues.removeAll()
        legs.removeAll()
    }

    private mutating func forget(_ tunnel: TunnelID) {
        queues.remove(tunnel)
        legs.remove(tunnel)
        peer.portal.forget(tunnel, on: peer.id)
    }

    /// Forgets a tunnel whose call was not passed on.
    private func drop(_ tunnel: PortalTunnel) {
        tunnel.endpoint.flow.close()
        peer.portal.forget(tunnel.id, on: peer.id)
    }
}
