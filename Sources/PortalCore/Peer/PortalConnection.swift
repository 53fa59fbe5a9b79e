internal import Account
package import Connection
internal import MuxRPC
package import NIOCore
internal import SecureSession
package import TypedSodium

/// One connection of a portal: its session, its calls and the tunnels that end here.
///
/// It lives on one event loop and reaches other connections only through the messages among its outputs, so
/// nothing is called back while it works. Outputs can come from every call, ``nextWrite(at:)`` included.
///
/// ### Invariants
/// - What waits to be sent to the peer never stops the peer from being read; only queues that the peer fills do,
///   and the answers that it has asked for and does not read. So two nodes cannot wait for each other.
/// - Every tunnel that the portal has registered here is told about the end of the connection, once.
/// - The flow towards this connection is closed when the tunnel is forgotten here, and its bytes are given back.
package final class PortalConnection: ConnectionMachine {
    /// Which of the portal's connections this is.
    package let id: ConnectionID

    let portal: Portal
    let session: SecureSession
    var subscriptions: PortalSubscriptions
    var legs: PortalLegs
    /// The latest `tunnel.announce`, to which a replacement is reported.
    var announceCall: RequestNumber?
    /// When the peer's announcement may change, and what is to become of it.
    var announcing: AnnouncementPace
    var pings = PortalPings()
    /// The `invite.use` that waits for the portal's owner.
    var redeemCall: RequestNumber?

    /// What the peer's address counts as.
    let source: String
    /// What the peer makes us hold is charged here; another one once it has proved to be a member.
    var account: Account

    /// What the connection has of the portal's limits, where there are any.
    let seat: ConnectionSeat?

    var lifecycle: ConnectionLifecycle<PortalHandshake>
    private var read: PortalLegs.Read
    private var isHoldingInput = false
    private var hasInputEnded = false
    /// What the peer may make us do and hold.
    var allowance: PortalAllowance
    var outputs = CircularBuffer<PortalOutput>()

    /// A connection that was accepted just now from a `source` address; `mailbox` is what will reach it.
    ///
    /// Connections whose source is not known share one source's limits. With a `seat` the handshake goes on when its turn
    /// has come: the owner looks at ``takeWish()`` after each call.
    package init(
        portal: Portal, mailbox: any RelayMailbox, source: String = "unknown", seat: ConnectionSeat? = nil,
        at now: NIODeadline
    ) {
        let settings = portal.settings
        self.seat = seat
        self.source = source
        self.portal = portal
        id = portal.register(mailbox, from: source)
        account = portal.accounts.account(of: .source(source), on: id)
        session = SecureSession(
            answeringAs: portal.identity, network: portal.network, manifest: PortalCall.manifest)
        subscriptions = PortalSubscriptions(interval: settings.attendanceInterval)
        announcing = AnnouncementPace(interval: settings.tokenLimits.interval)
        allowance = PortalAllowance(settings, at: now)
        legs = PortalLegs(on: id, of: portal)
        let admission = seat.map { $0.isOnTrial ? PortalHandshake.Admission.onTrial : .inTurn } ?? .open
        lifecycle = .handshake(PortalHandshake(admission, time: settings.handshakeTime, at: now))
        read = PortalLegs.Read(time: now)
    }

    /// Who the peer has proved to be.
    package var peer: PublicKey? { session.peer }

    // MARK: What the channel asks

    /// Whether the peer has been let in, and nobody has said goodbye.
    package var isOpen: Bool { lifecycle.isOpen }

    /// What is to become of the connection.
    package var phase: ConnectionPhase { lifecycle.phase }

    /// Whether the socket should be read.
    package var wantsInput: Bool { phase != .broken && !isBlocked }

    /// Whether a frame of the peer has begun to arrive, and not arrived whole.
    package var isWithinFrame: Bool { session.isWithinFrame }

    /// When ``timeReached(_:)`` is due next.
    package var deadline: NIODeadline? {
        switch lifecycle {
        case .handshake, .closing, .finished, .broken: lifecycle.deadline
        case .open(let liveness):
            [
                liveness.deadline, subscriptions.deadline, legs.queues.stuckDeadline, legs.pauseDeadline,
                legs.calls.deadline, legs.attempts.deadline, announcing.deadline, pings.deadline,
                isCalling ? allowance.callsReadyAt : nil,
            ].compactMap(\.self).min()
        }
    }

    /// The next thing to do.
    package func nextOutput() -> PortalOutput? { outputs.popFirst() }

    /// Whether the peer's packets have to wait.
    ///
    /// Not any more when nothing follows them: the channel is about to go, and little is left.
    private var isBlocked: Bool {
        if case .handshake(let handshake) = lifecycle, !handshake.isTurningAway {
            return session.hasHandshakeMessage && !handshake.mayGoOn
        }
        guard isServing, !hasInputEnded else { return false }
        return legs.isPaused || isCalling || hasUnreadAnswers
    }

    /// Whether calls are answered, if only by a refusal.
    private var isServing: Bool {
        switch lifecycle {
        case .open: true
        case .handshake(let handshake): handshake.isTurningAway
        case .closing, .finished, .broken: false
        }
    }

    /// Whether the peer has asked for more than it has read, or more than there is room for.
    private var hasUnreadAnswers: Bool {
        let byteCount = session.outboundByteCount
        return byteCount > portal.settings.controlByteCount
            || (allowance.isOverdrawn && byteCount > PortalAllowance.freeByteCount)
    }

    /// Whether the peer has called so much that its next packets have to wait.
    private var isCalling: Bool { allowance.callsReadyAt > now }

    // MARK: Bytes in

    /// Bytes arrived.
    package func receive(_ bytes: ByteBuffer, at now: NIODeadline) {
        guard phase != .broken else { return }
        lifecycle.heard(at: now)
        session.receive(bytes)
        process(at: now)
    }

    /// The other side sends nothing more, or the channel is gone.
    package func inputEnded(at now: NIODeadline) {
        hasInputEnded = true
        process(at: now)
    }

    /// The time of what is done now.
    var now: NIODeadline { read.time }

    /// Takes the time of what is done now.
    func begin(at now: NIODeadline) { read.time = now }

    /// Goes on where the peer's packets had to wait.
    func resumeProcessing(at now: NIODeadline) {
        if allowance.isOverdrawn { try? allowance.pay(for: session, at: account) }
        guard isHoldingInput, !isBlocked else { return }
        lifecycle.heard(at: now)
        process(at: now)
    }

    func process(at now: NIODeadline) {
        guard phase != .broken else { return }
        begin(at: now)
        read.unpromisedByteCount = session.inboundByteCount
        // Nobody waits any more, so what would be left of the input would pile up.
        session.muxrpc.peerCallLimit =
            lifecycle.isLeaving ? .max : allowance.callLimit(at: now, isLast: hasInputEnded)
        do {
            var mayGoOn = !isBlocked
            while mayGoOn, let event = try session.next() {
                try handle(event)
                if case .packet = event {
                    // A packet of a tunnel changes nothing but what waits there, and is what most events are.
                    mayGoOn = !legs.isPaused || hasInputEnded
                } else {
                    allowance.countCalls(session.muxrpc.peerCallCount, at: now)
                    mayGoOn = !isBlocked
                }
            }
            allowance.countCalls(session.muxrpc.peerCallCount, at: now)
            legs.flush(at: now, into: &outputs)
            if isServing || isBlocked {
                try allowance.pay(for: session, at: account, isPaused: legs.isPaused)
            }
            isHoldingInput = isBlocked
            if isHoldingInput { wishIfNeeded() }
            if hasInputEnded { try session.inputEnded() }
        } catch {
            breakOff(.failed(error))
        }
        judgePauses()
        openWaiting()
    }

    private func handle(_ event: SecureSession.Event) throws(SecureSessionError) {
        switch event {
        case .client(let peer): try admit(peer)
        case .established, .proof: break  // is for clients: a server has decided when the handshake is over
        case .packet(let stream, let byteCount):
            legs.open(byteCount, on: stream, of: session, read: &read, into: &outputs)
        case .session(.data(let stream, let type, let body)):
            if pings.streams.contains(stream) { return pinged(on: stream, type, body) }
            legs.append(body, type: type, on: stream, read: &read, into: &outputs)
        case .session(.request(let request)):
            if lifecycle.isOpen { answer(request) } else { refuse(request, ErrorText.tooManyConnections) }
        case .session(.ended(let stream, let error)): streamEnded(stream, message: error?.message)
        case .session(.reply), .session(.lateFailure): break  // only pings are asked, and any answer will do
        case .session(.goodbye), .ended: finish(.goodbye)
        }
    }

    private func admit(_ peer: PublicKey) throws(SecureSessionError) {
        guard portal.admit(peer, on: id) else {
            session.refuse()
            emit(.notAdmitted(peer))
            breakOff(.refused)
            return
        }
        adopt(portal.policy.standing(of: peer), of: peer)
        try session.accept()
        emit(.connected(peer))
        if hasPlace(peer) {
            lifecycle.open(at: now)
        } else if case .handshake(var handshake) = lifecycle {
            handshake.turnAway(until: now + portal.settings.refusalTime)
            lifecycle = .handshake(handshake)
        }
    }

    private func streamEnded(_ stream: StreamID, message: String?) {
        subscriptions.remove(stream)
        pings.close(stream)
        guard let leg = legs[stream] else { return }
        legs.handOver(leg, at: read.time, into: &outputs)
        post(.ended(leg.tunnel.id, message: message), to: leg.far.mailbox)
        forget(leg.tunnel.id)
    }

    // MARK: Bytes out

    /// The next bytes for the socket: our own packets first, then one batch of the tunnel whose turn it is.
    package func nextWrite(at now: NIODeadline) -> ByteBuffer? {
        repeat {
            if let buffer = session.nextOutbound() {
                resumeProcessing(at: now)
                return buffer
            }
            if subscriptions.isWaiting { updateSubscribers(at: now) }
        } while session.outboundByteCount > 0 || takeTurn(at: now)
        // What has been written is paid for no longer; where there is no room for the rest, the next input says so.
        if isServing { try? allowance.pay(for: session, at: account) }
        return nil
    }

    /// Seals what a tunnel sends next; whether there was anything.
    private func takeTurn(at now: NIODeadline) -> Bool {
        guard lifecycle.isOpen, let turn = legs.queues.next(at: now) else { return false }
        switch consume turn {
        case .batch(let tunnel, var batch, let resumesSender):
            guard let leg = legs[tunnel] else { return true }
            if resumesSender { post(.resume(tunnel), to: leg.far.mailbox) }
            legs.noteCarried(leg, at: now)
            session.send(batch.takePackets(), on: leg.stream)
        case .end(let tunnel, let message):
            if let leg = legs[tunnel] { end(leg.stream, message: message) }
            forget(tunnel)
        }
        return true
    }

    func post(_ message: RelayMessage, to mailbox: any RelayMailbox) {
        outputs.append(.post(message, to: mailbox))
    }

    /// Has the portal's work done, off the event loops.
    func callToWork() { outputs.append(.work) }

    func ask(_ question: RedeemQuestion) { outputs.append(.redeem(question)) }

    func emit(_ event: PortalEvent) { outputs.append(.event(event)) }

    // MARK: Time

    /// The clock reached ``deadline``.
    package func timeReached(_ now: NIODeadline) {
        begin(at: now)
        switch lifecycle {
        case .handshake(let handshake) where now >= handshake.deadline:
            if handshake.isTurningAway {
                close(.tooManyConnections, message: ErrorText.tooManyConnections, at: now)
            } else {
                breakOff(.handshakeTimedOut)
            }
        case .closing(let until) where now >= until:
            session.finish()
            lifecycle.finish(until: now + portal.settings.closingTime)
        case .finished(let until?) where now >= until: lifecycle.breakOff()
        case .open:
            cutStuck(at: now)
            judgePauses()
            refuseExpired(at: now)
            leaveSilent(at: now)
            changeAnnouncement(at: now)
            answerPings(at: now)
            if let due = subscriptions.deadline, due <= now { updateSubscribers(at: now) }
            checkLiveness(at: now)
        case .handshake, .closing, .finished, .broken: break
        }
        resumeProcessing(at: now)
    }

    private func checkLiveness(at now: NIODeadline) {
        // While we do not read the peer its silence means nothing.
        if legs.isPaused || isCalling { lifecycle.heard(at: now) }
        switch lifecycle.livenessReached(now) {
        case .ask: askPeer(at: now)
        case .giveUp: breakOff(.silent)
        case .wait: break
        }
    }

    /// Asks whether the peer is there.
    func askPeer(at now: NIODeadline) {
        // Where too much is open the ping cannot be sent; the silence is measured all the same.
        _ = try? session.muxrpc.call(Method.ping.name, [])
        lifecycle.sent(at: now)
    }

    /// Whether nothing was heard since the peer was asked something out of turn.
    package var isUnanswered: Bool { lifecycle.isUnanswered }

    /// The peer's system has so many bytes of what was written, over all time, and more is on the way.
    package func acknowledged(_ byteCount: UInt64, at now: NIODeadline) {
        lifecycle.acknowledged(byteCount, at: now)
    }

    // MARK: The end

    /// Ends the connection in good order, because the portal stops.
    package func close(at now: NIODeadline) {
        begin(at: now)
        close(.closed, message: ErrorText.portalIsClosing, at: now)
    }

    func close(_ reason: CloseReason, message: String, at now: NIODeadline) {
        guard !lifecycle.isLeaving else { return }
        guard isServing else { return breakOff(reason) }
        for stream in legs.streams { session.muxrpc.fail(stream, message: message) }
        for subscription in subscriptions.all { session.muxrpc.end(subscription.stream) }
        for stream in pings.streams { session.muxrpc.end(stream) }
        depart(reason)
        session.close()
        lifecycle.close(until: now + portal.settings.closingTime)
    }

    /// The session has said everything.
    private func finish(_ reason: CloseReason) {
        depart(reason)
        lifecycle.finish(until: read.time + portal.settings.closingTime)
    }

    func breakOff(_ reason: CloseReason) {
        depart(reason)
        lifecycle.breakOff()
    }

    /// Takes the connection out of the portal, once: where it is leaving that is done.
    private func depart(_ reason: CloseReason) {
        guard !lifecycle.isLeaving else { return }
        legs.flush(at: read.time, into: &outputs)
        let (tunnels, notices) = portal.unregister(id, of: session.peer)
        for tunnel in tunnels {
            tunnel.end(on: id).flow.close()
            post(
                .ended(tunnel.id, message: ErrorText.otherSideIsGone),
                to: tunnel.end(acrossFrom: id).mailbox)
        }
        allowance.giveBack()
        legs.removeAll()
        subscriptions.removeAll()
        pings.removeAll()
        post(notices)
        emit(.disconnected(session.peer, reason))
    }
}
