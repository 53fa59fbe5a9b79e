internal import Account
public import NIOCore
internal import MuxRPC
internal import Relay
internal import SecureSession
public import Sodium
public import Tunnel

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
public final class PortalConnection: ConnectionMachine {
    /// Which of the portal's connections this is.
    public let id: ConnectionID

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

    var stage: Stage
    /// What the handshake needs before it goes on.
    var wish: PortalHandshake.Wish?
    var liveness: Liveness
    private var read: PortalLegs.Read
    private var isHoldingInput = false
    private var hasInputEnded = false
    private var hasDeparted = false
    /// What the peer may make us do and hold.
    var allowance: PortalAllowance
    var outputs = CircularBuffer<PortalOutput>()

    /// A connection that was accepted just now from a `source` address; `mailbox` is what will reach it.
    ///
    /// Connections whose source is not known share one source's limits. With a `seat` the handshake goes on when its turn
    /// has come: the owner looks at ``takeWish()`` after each call.
    public init(
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
        stage = .handshake(PortalHandshake(admission, time: settings.handshakeTime, at: now))
        liveness = Liveness(heardAt: now)
        read = PortalLegs.Read(time: now)
    }

    /// Who the peer has proved to be.
    public var peer: PublicKey? { session.peer }

    // MARK: What the channel asks

    /// What is to become of the connection.
    public var phase: ConnectionPhase {
        switch stage {
        case .handshake, .open, .turnedAway, .closing: .running
        case .finished: .finished
        case .broken: .broken
        }
    }

    /// Whether the socket should be read.
    public var wantsInput: Bool { phase != .broken && !isBlocked }

    /// Whether a frame of the peer has begun to arrive, and not arrived whole.
    public var isWithinFrame: Bool { session.isWithinFrame }

    /// When ``timeReached(_:)`` is due next.
    public var deadline: NIODeadline? {
        switch stage {
        case .handshake(let handshake): handshake.deadline
        case .turnedAway(let until), .closing(let until), .finished(let until): until
        case .open:
            [
                liveness.deadline, subscriptions.deadline, legs.queues.stuckDeadline, legs.pauseDeadline,
                legs.calls.deadline, legs.attempts.deadline, announcing.deadline, pings.deadline,
                isCalling ? allowance.callsReadyAt : nil,
            ].compactMap(\.self).min()
        case .broken: nil
        }
    }

    /// The next thing to do.
    public func nextOutput() -> PortalOutput? { outputs.popFirst() }

    /// Whether muxrpc is spoken.
    var isOpen: Bool {
        guard case .open = stage else { return false }
        return true
    }

    /// Whether the peer's packets have to wait.
    ///
    /// Not any more when nothing follows them: the channel is about to go, and little is left.
    private var isBlocked: Bool {
        if case .handshake(let handshake) = stage {
            return session.hasHandshakeMessage && !handshake.mayGoOn
        }
        guard isServed, !hasInputEnded else { return false }
        return legs.isPaused || isCalling || hasUnreadAnswers
    }

    /// Whether calls are answered, if only by a refusal.
    private var isServed: Bool {
        switch stage {
        case .open, .turnedAway: true
        case .handshake, .closing, .finished, .broken: false
        }
    }

    /// Whether the peer has asked for more than it has read, or more than there is room for.
    private var hasUnreadAnswers: Bool {
        let byteCount = session.outboundByteCount
        return byteCount > portal.settings.controlByteCount
            || (allowance.isOverdrawn && byteCount > PortalAllowance.freeByteCount)
    }

    /// Whether the peer has called so much that its next packets have to wait.
    var isCalling: Bool { allowance.callsReadyAt > now }

    // MARK: Bytes in

    /// Bytes arrived.
    public func receive(_ bytes: ByteBuffer, at now: NIODeadline) {
        guard phase != .broken else { return }
        liveness.heard(at: now)
        session.receive(bytes)
        process(at: now)
    }

    /// The other side sends nothing more, or the channel is gone.
    public func inputEnded(at now: NIODeadline) {
        hasInputEnded = true
        process(at: now)
    }

    /// The time of what is done now.
    var now: NIODeadline { read.time }

    /// Takes the time of what is done now.
    func begin(at now: NIODeadline) { read.time = now }

    /// Goes on where the peer's packets had to wait.
    func goOn(at now: NIODeadline) {
        if allowance.isOverdrawn { try? allowance.pay(for: session, at: account) }
        guard isHoldingInput, !isBlocked else { return }
        liveness.heard(at: now)
        process(at: now)
    }

    func process(at now: NIODeadline) {
        guard phase != .broken else { return }
        begin(at: now)
        read.unpromisedByteCount = session.inboundByteCount
        session.muxrpc.peerCallLimit = allowance.callLimit(at: now, isLast: hasInputEnded)
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
            if isServed || isBlocked {
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
            if isOpen { answer(request) } else { refuse(request, PortalMessage.tooManyConnections) }
        case .session(.ended(let stream, let error)): streamEnded(stream, message: error?.message)
        case .session(.reply): announcing.answered()  // only pings are asked, and any answer will do
        case .session(.lateFailure): break
        case .session(.goodbye), .ended: finish(.goodbye)
        }
    }

    private func admit(_ peer: PublicKey) throws(SecureSessionError) {
        guard portal.admit(peer, on: id) else {
            session.refuse()
            happened(.notAdmitted(peer))
            breakOff(.refused)
            return
        }
        adopt(portal.policy.standing(of: peer), of: peer)
        try session.accept()
        happened(.connected(peer))
        stage = hasPlace(peer) ? .open : .turnedAway(until: now + portal.settings.refusalTime)
    }

    /// Has the peer pay, and lets it send, according to its standing.
    func adopt(_ standing: PortalPolicy.Standing, of peer: PublicKey) {
        allowance.giveBack()
        account = portal.accounts.account(of: peer, standing: standing, from: source, on: id)
        session.muxrpc.manifest = PortalCall.manifest(
            tokenLimit: portal.settings.tokenLimits.count(for: standing))
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
    public func nextWrite(at now: NIODeadline) -> ByteBuffer? {
        repeat {
            if let buffer = session.nextOutbound() {
                goOn(at: now)
                return buffer
            }
            if subscriptions.isWaiting { updateSubscribers(at: now) }
        } while session.outboundByteCount > 0 || takeTurn(at: now)
        // What has been written is paid for no longer; where there is no room for the rest, the next input says so.
        if isServed { try? allowance.pay(for: session, at: account) }
        return nil
    }

    /// Seals what a tunnel sends next; whether there was anything.
    private func takeTurn(at now: NIODeadline) -> Bool {
        guard isOpen, let turn = legs.queues.next(at: now) else { return false }
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

    func forget(_ tunnel: TunnelID) {
        legs.remove(tunnel, at: now)
        portal.forget(tunnel, on: id)
    }

    func post(_ message: RelayMessage, to mailbox: any RelayMailbox) {
        outputs.append(.post(message, to: mailbox))
    }

    /// Has the portal's work done, off the event loops.
    func callToWork() { outputs.append(.work) }

    func ask(_ question: RedeemQuestion) { outputs.append(.redeem(question)) }

    func happened(_ happening: PortalHappening) { outputs.append(.happened(happening)) }

    // MARK: Time

    /// The clock reached ``deadline``.
    public func timeReached(_ now: NIODeadline) {
        begin(at: now)
        switch stage {
        case .handshake(let handshake) where now >= handshake.deadline: breakOff(.handshakeTimedOut)
        case .turnedAway(let until) where now >= until:
            close(.tooManyConnections, message: PortalMessage.tooManyConnections, at: now)
        case .closing(let until) where now >= until:
            session.finish()
            stage = .finished(until: now + portal.settings.closingTime)
        case .finished(let until) where now >= until: stage = .broken
        case .open:
            cutStuck(at: now)
            judgePauses()
            refuseExpired(at: now)
            leaveSilent(at: now)
            changeAnnouncement(at: now)
            answerPings(at: now)
            if let due = subscriptions.deadline, due <= now { updateSubscribers(at: now) }
            checkLiveness(at: now)
        default: break
        }
        goOn(at: now)
    }

    // MARK: The end

    /// Ends the connection in good order, because the portal stops.
    public func close(at now: NIODeadline) {
        begin(at: now)
        close(.closed, message: PortalMessage.portalIsClosing, at: now)
    }

    func close(_ departure: PortalDeparture, message: String, at now: NIODeadline) {
        switch stage {
        case .handshake: breakOff(departure)
        case .open, .turnedAway:
            for stream in legs.streams { session.muxrpc.fail(stream, message: message) }
            for subscription in subscriptions.all { session.muxrpc.end(subscription.stream) }
            for stream in pings.streams { session.muxrpc.end(stream) }
            depart(departure)
            session.close()
            stage = .closing(until: now + portal.settings.closingTime)
        case .closing, .finished, .broken: break
        }
    }

    /// The session has said everything.
    private func finish(_ departure: PortalDeparture) {
        depart(departure)
        switch stage {
        case .handshake, .open, .turnedAway, .closing:
            stage = .finished(until: read.time + portal.settings.closingTime)
        case .finished, .broken: break
        }
    }

    func breakOff(_ departure: PortalDeparture) {
        depart(departure)
        stage = .broken
    }

    /// Takes the connection out of the portal, once.
    private func depart(_ departure: PortalDeparture) {
        guard !hasDeparted else { return }
        hasDeparted = true
        legs.flush(at: read.time, into: &outputs)
        let (tunnels, notices) = portal.unregister(id, of: session.peer)
        for tunnel in tunnels {
            tunnel.end(on: id).flow.close()
            post(
                .ended(tunnel.id, message: PortalMessage.otherSideIsGone),
                to: tunnel.end(acrossFrom: id).mailbox)
        }
        allowance.giveBack()
        legs.removeAll()
        subscriptions.removeAll()
        pings.removeAll()
        post(notices)
        happened(.disconnected(session.peer, departure))
    }
}
