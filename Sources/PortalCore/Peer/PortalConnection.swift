internal import Account
package import Connection
internal import MuxRPC
package import NIOCore
internal import SecureSession
internal import TypedSodium

/// One connection of a portal: how far it has come, when its peer is read, and when it ends.
///
/// It lives on one event loop and reaches other connections only through the messages among its outputs, so
/// nothing is called back while it works. Outputs can come from every call, ``nextWrite(at:)`` included.
///
/// ### Invariants
/// - What waits to be sent to the peer never stops the peer from being read; only queues that the peer fills do,
///   and the answers that it has asked for and does not read. So two nodes cannot wait for each other.
/// - Every tunnel that the portal has registered here is told about the end of the connection, once.
/// - The flow towards this connection is closed when the tunnel is forgotten here, and its bytes are given back.
/// - There are tunnels only while both sides speak, and each has one stream and one queue towards the peer.
package final class PortalConnection: RelayReceiver {
    private let portal: Portal
    private let peer: PortalPeer
    private let session: SecureSession
    /// What the connection has of the portal's places, where those are limited.
    private let seat: (any ConnectionPlace)?

    private var lifecycle: ConnectionLifecycle<PortalHandshake>
    /// What the peer may make us do and hold.
    private var allowance: PortalAllowance
    private var calls: PortalCalls
    /// Whether packets of the peer are here that have to wait.
    private var isHoldingInput = false
    private var hasInputEnded = false

    /// A connection that was accepted just now from a `source` address; `mailbox` is what will reach it.
    ///
    /// Connections whose source is not known share one source's limits. With a `seat` the handshake goes on when its turn
    /// has come: the owner looks at ``takeWish()`` after each call. The `loop` is where the connection lives, where there
    /// are several.
    package init(
        portal: Portal, mailbox: any RelayMailbox, source: String = "unknown",
        seat: (any ConnectionPlace)? = nil, on loop: ObjectIdentifier? = nil, at now: NIODeadline
    ) {
        self.portal = portal
        self.seat = seat
        peer = PortalPeer(of: portal, mailbox: mailbox, source: source, on: loop, at: now)
        session = peer.session
        calls = PortalCalls(of: peer)
        allowance = PortalAllowance(portal.settings, at: now)
        let admission = seat.map { $0.isOnTrial ? PortalHandshake.Admission.onTrial : .inTurn } ?? .open
        lifecycle = .handshake(
            PortalHandshake(admission, time: portal.settings.handshakeTime, at: now))
    }

    /// Which of the portal's connections this is.
    package var id: ConnectionID { peer.id }

    /// How many calls the peer has made, those included that were refused.
    package var callCount: Int { session.muxrpc.peerCallCount }

    /// What the peer has sent and the connection has not taken, in bytes.
    package var inboundByteCount: Int { session.inboundByteCount }

    /// Whether the peer has been let in, and nobody has said goodbye.
    package var isOpen: Bool { lifecycle.isOpen }

    // MARK: What the channel asks

    /// What is to become of the connection.
    package var phase: ConnectionPhase { lifecycle.phase }

    /// Whether the socket should be read.
    package var wantsInput: Bool { phase != .broken && !isBlocked }

    /// How much is to be read at once, in bytes.
    package var readByteCount: Int { allowance.readByteCount }

    /// Whether a frame of the peer has begun to arrive, and not arrived whole; what has to wait is no sign of it.
    package var isWithinFrame: Bool { session.isWithinFrame && !isHoldingInput }

    /// When ``timeReached(_:)`` is due next.
    package var deadline: NIODeadline? {
        guard lifecycle.isOpen else { return lifecycle.deadline }
        return lifecycle.deadline.earlier(calls.deadline).earlier(peer.keystream.deadline)
            .earlier(isCalling ? allowance.callsReadyAt : nil)
    }

    /// The next thing to do.
    package func nextOutput() -> PortalOutput? { peer.nextOutput() }

    /// Whether nothing was heard since the peer was asked something out of turn.
    package var isUnanswered: Bool { lifecycle.isUnanswered }

    /// The peer's system has so many bytes of what was written, over all time, and more is on the way.
    package func acknowledged(_ byteCount: UInt64, at now: NIODeadline) {
        lifecycle.acknowledged(byteCount, at: now)
    }

    /// Whether the peer's packets have to wait; not any more when nothing follows them, and little is left.
    private var isBlocked: Bool {
        if case .handshake(let handshake) = lifecycle, !handshake.isTurningAway {
            return session.hasHandshakeMessage && !handshake.mayGoOn
        }
        guard isServing, !hasInputEnded else { return false }
        return calls.tunnels.isPaused || isCalling
            || allowance.isExceeded(byUnread: session.outboundByteCount)
    }

    /// Whether calls are answered, if only by a refusal.
    private var isServing: Bool {
        switch lifecycle {
        case .open: true
        case .handshake(let handshake): handshake.isTurningAway
        case .closing, .finished, .broken: false
        }
    }

    /// Whether the peer has called so much that its next packets have to wait.
    private var isCalling: Bool { allowance.callsReadyAt > peer.now }

    // MARK: Bytes in

    /// Bytes arrived.
    package func receive(_ bytes: ByteBuffer, at now: NIODeadline) {
        guard phase != .broken else { return }
        lifecycle.heard(at: now)
        session.receive(bytes)
        process(at: now, behind: bytes.readableBytes)
    }

    /// The other side sends nothing more, or the channel is gone.
    package func inputEnded(at now: NIODeadline) {
        hasInputEnded = true
        process(at: now)
    }

    /// Goes on where the peer's packets had to wait.
    private func resumeProcessing(at now: NIODeadline) {
        if allowance.isOverdrawn { try? allowance.pay(for: session, at: peer.account) }
        guard isHoldingInput, !isBlocked else { return }
        lifecycle.heard(at: now)
        process(at: now)
    }

    /// Opens what has come, of which so many bytes have come just now.
    private func process(at now: NIODeadline, behind byteCount: Int = 0) {
        guard phase != .broken else { return }
        peer.now = now
        calls.tunnels.beginRead(of: session.inboundByteCount)
        // Nobody waits any more, so what would be left of the input would pile up.
        session.muxrpc.peerCallLimit =
            lifecycle.isLeaving ? .max : allowance.callLimit(at: now, isLast: hasInputEnded)
        do {
            var mayGoOn = !isBlocked
            if mayGoOn { allowance.passOn() }
            while mayGoOn, let event = try session.next() {
                try handle(event)
                if case .packet = event {
                    // A packet of a tunnel changes nothing but what waits there, and is what most events are.
                    mayGoOn = !calls.tunnels.isPaused || hasInputEnded
                } else {
                    allowance.countCalls(session.muxrpc.peerCallCount, at: now)
                    mayGoOn = !isBlocked
                }
            }
            allowance.countCalls(session.muxrpc.peerCallCount, at: now)
            calls.tunnels.flush()
            peer.keystream.used(by: session, at: now)
            if isServing || isBlocked {
                try allowance.payForRead(
                    of: byteCount, in: session, at: peer.account, isPaused: calls.tunnels.isPaused)
            }
            isHoldingInput = isBlocked
            if isHoldingInput { lifecycle.withHandshake { $0.messageArrived(at: now) } }
            if hasInputEnded { try session.inputEnded() }
        } catch {
            breakOff(.failed(error))
        }
        calls.tunnels.judgePauses()
        calls.tunnels.openWaiting()
        assert(invariantsHold)
    }

    private var invariantsHold: Bool {
        calls.tunnels.invariantsHold && (lifecycle.isOpen || calls.tunnels.isEmpty)
    }

    private func handle(_ event: SecureSession.Event) throws(SecureSessionError) {
        switch event {
        case .client(let key): try admit(key)
        case .established, .proof: break  // is for clients: a server has decided when the handshake is over
        case .packet(let stream, let byteCount): calls.tunnels.open(byteCount, on: stream, of: session)
        case .session(.data(let stream, let type, let body)):
            if !calls.pings.owns(stream) {
                calls.tunnels.append(body, type: type, on: stream)
            } else if calls.pings.receive(body, type: type, on: stream) {
                allowance.countCall(at: peer.now)
            }
        case .session(.request(let request)):
            if lifecycle.isOpen {
                calls.answer(request)
            } else {
                peer.refuse(request, ErrorText.tooManyConnections)
            }
        case .session(.ended(let stream, let error)): calls.streamEnded(stream, message: error?.message)
        case .session(.reply(let call, .failure)) where calls.yielding.isGoodbyeNext(onRefusalOf: call):
            close(.closed, message: ErrorText.portalIsClosing, at: peer.now)
        case .session(.reply), .session(.lateFailure): break  // to pings any answer will do
        case .session(.goodbye), .ended:
            depart(.goodbye)
            lifecycle.finish(until: peer.now + portal.settings.closingTime)
        }
    }

    // MARK: Letting in

    private func admit(_ key: PublicKey) throws(SecureSessionError) {
        guard portal.admit(key, on: id) else {
            session.refuse()
            peer.noteDenied(key)
            breakOff(.refused)
            return
        }
        adopt(portal.policy.standing(of: key), of: key)
        try session.accept()
        peer.emit(.connected(key))
        let isPlaced = hasPlace(key)
        peer.count { $0.handshakes[isPlaced ? .succeeded : .turnedAway, default: 0] += 1 }
        if isPlaced {
            lifecycle.open(at: peer.now, peer.patience)
        } else {
            let end = peer.now + portal.settings.refusalTime
            lifecycle.withHandshake { $0.turnAway(until: end) }
        }
    }

    /// Whether the peer may stay: it has a place already, or it is a member that gets one of the members'.
    private func hasPlace(_ key: PublicKey) -> Bool {
        guard let seat, seat.isOnTrial else { return true }
        return portal.policy.standing(of: key) == .member && seat.keep(as: key)
    }

    /// Has the peer pay, and lets it send, according to its standing.
    private func adopt(_ standing: PortalPolicy.Standing, of key: PublicKey) {
        allowance.giveBack()
        peer.adopt(standing, of: key)
    }

    /// What the handshake needs before it goes on, said once.
    package func takeWish() -> PortalHandshake.Wish? {
        lifecycle.withHandshake { $0.takeWish() } ?? nil
    }

    /// The connection, which is on trial, was drawn.
    package func drawn(at now: NIODeadline) {
        lifecycle.withHandshake { handshake in
            peer.now = now
            handshake.drawn(at: now)
            handshake.messageArrived(at: now)
        }
    }

    /// The turn that was wished for.
    package func takeTurn(at now: NIODeadline) {
        guard lifecycle.withHandshake({ $0.beginTurn() }) != nil else { return }
        process(at: now)
        lifecycle.withHandshake { $0.endTurn() }
    }

    /// Makes room for another connection: nothing is said, since nobody would miss this one.
    package func giveWay(at now: NIODeadline) {
        peer.now = now
        breakOff(.displaced)
    }

    // MARK: Bytes out

    /// The next bytes for the socket: our own packets first, then one batch of the tunnel whose turn it is.
    package func nextWrite(at now: NIODeadline) -> ByteBuffer? {
        repeat {
            if let buffer = session.nextOutbound() {
                peer.keystream.used(by: session, at: now)
                resumeProcessing(at: now)
                return buffer
            }
            if calls.subscriptions.isWaiting { calls.subscriptions.update(at: now) }
        } while session.outboundByteCount > 0
            || (lifecycle.isOpen && calls.tunnels.takeTurn(for: session, at: now))
        // What has been written is paid for no longer; for the rest, the next input says so.
        if isServing { try? allowance.pay(for: session, at: peer.account) }
        return nil
    }

    // MARK: Messages

    /// A message from another connection of the portal, or from its owner.
    package func deliver(_ message: consuming RelayMessage, at now: NIODeadline) {
        guard lifecycle.isOpen else { return }
        peer.now = now
        switch calls.take(message) {
        case .nothing: break
        case .askPeer: askPeer(at: now)
        case .endReplaced: close(.replaced, message: ErrorText.otherSideIsGone, at: now)
        case .followPolicy: followPolicy(at: now)
        }
        calls.tunnels.openWaiting()
        resumeProcessing(at: now)
        assert(invariantsHold)
    }

    /// Ends what the peer may not have any more.
    private func followPolicy(at now: NIODeadline) {
        guard let key = peer.key else { return }
        let policy = portal.policy
        guard policy.admits(key) else {
            // The owner takes a used invite's key away before it answers: the holder still has to hear the answer.
            guard !calls.invite.isAsked || policy.standing(of: key) == .denied else { return }
            peer.noteDenied(key)
            close(.refused, message: ErrorText.notAdmitted, at: now)
            return
        }
        adopt(policy.standing(of: key), of: key)
        calls.follow(policy, of: key)
    }

    // MARK: Time

    /// The clock reached ``deadline``.
    package func timeReached(_ now: NIODeadline) {
        peer.now = now
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
            calls.timeReached()
            peer.keystream.timeReached(now, for: session)
            checkLiveness(at: now)
        case .handshake, .closing, .finished, .broken: break
        }
        resumeProcessing(at: now)
        assert(invariantsHold)
    }

    private func checkLiveness(at now: NIODeadline) {
        // While we do not read the peer its silence means nothing.
        if calls.tunnels.isPaused || isCalling { lifecycle.heard(at: now) }
        guard !calls.yielding.isOver(at: now, lifecycle.isUnanswered) else { return breakOff(.silent) }
        switch lifecycle.livenessReached(now, expecting: peer.patience) {
        case .ask: askPeer(at: now)
        case .giveUp: breakOff(.silent)
        case .wait, .suspect: break
        }
    }

    /// Asks whether the peer is there.
    private func askPeer(at now: NIODeadline) {
        // Where too much is open the ping cannot be sent; the silence is measured all the same.
        _ = try? session.muxrpc.call(Method.ping.name, [])
        lifecycle.sent(at: now)
    }

    // MARK: The end

    /// Ends the connection in good order, because the portal stops.
    package func close(at now: NIODeadline) {
        peer.now = now
        close(.closed, message: ErrorText.portalIsClosing, at: now)
        assert(invariantsHold)
    }

    private func close(_ reason: CloseReason, message: String, at now: NIODeadline) {
        guard !lifecycle.isLeaving else { return }
        guard isServing else { return breakOff(reason) }
        calls.end(message: message)
        depart(reason)
        session.close()
        lifecycle.close(until: now + portal.settings.closingTime)
    }

    private func breakOff(_ reason: CloseReason) {
        depart(reason)
        lifecycle.breakOff()
    }

    /// Takes the connection out of the portal, once: where it is leaving that is done.
    private func depart(_ reason: CloseReason) {
        guard !lifecycle.isLeaving else { return }
        if !isServing { peer.count { $0.handshakes[.init(endedBy: reason), default: 0] += 1 } }
        allowance.giveBack()
        calls.leave()
        peer.emit(.disconnected(peer.key, reason))
    }
}
