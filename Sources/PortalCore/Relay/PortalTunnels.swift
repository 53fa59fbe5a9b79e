internal import Account
internal import Connection
internal import MuxRPC
internal import NIOCore
internal import SecureSession
internal import TypedSodium

/// The tunnels of one peer's connection: how they are opened, and who is asked in whose place.
struct PortalTunnels: ~Copyable {
    /// The longest argument of `tunnel.connect` that is passed on, in bytes of JSON; real ones have 200.
    static let argumentByteLimit = 16 << 10

    private let peer: PortalPeer
    private var ends: TunnelEnds

    init(of peer: PortalPeer) {
        self.peer = peer
        ends = TunnelEnds(of: peer)
    }

    /// Whether the peer must not be read, because a queue that it fills is full.
    var isPaused: Bool { ends.legs.isPaused }

    /// When ``timeReached()`` is due next.
    var deadline: NIODeadline? { ends.deadline }

    /// Sees to what is due.
    mutating func timeReached() {
        ends.timeReached()
        refuseExpired()
        for attempt in ends.legs.attempts.takeDue(at: peer.now) { see(to: attempt) }
    }

    /// Whether there is no tunnel.
    var isEmpty: Bool { ends.legs.count == 0 && ends.legs.attempts.isEmpty }

    /// Whether each tunnel has a queue towards the peer.
    var invariantsHold: Bool { ends.invariantsHold }

    // MARK: Packets

    /// A read has brought so many bytes.
    mutating func beginRead(of byteCount: Int) { ends.legs.beginRead(of: byteCount) }

    /// Opens the packet that the session has just announced, for the tunnel it belongs to.
    mutating func open(_ byteCount: Int, on stream: StreamID, of session: SecureSession) {
        ends.legs.open(byteCount, on: stream, of: session)
    }

    /// Takes what came otherwise than as one packet of bytes.
    mutating func append(_ body: ByteBuffer, type: BodyType, on stream: StreamID) {
        ends.legs.append(body, type: type, on: stream)
    }

    /// Hands over what the read has brought.
    mutating func flush() { ends.legs.flush() }

    /// Another connection sends packets to the peer.
    mutating func append(_ batch: consuming RelayedBatch, to tunnel: TunnelID) {
        if !ends.legs.attempts.isEmpty { ends.legs.attempts.remove(tunnel) }
        if !ends.legs.unanswered.append(batch, to: tunnel) { ends.append(batch, to: tunnel) }
    }

    /// Seals what a tunnel sends next; whether there was anything.
    mutating func takeTurn(for session: SecureSession, at now: NIODeadline) -> Bool {
        ends.takeTurn(for: session, at: now)
    }

    /// The queue that the peer fills has room again.
    mutating func resume(_ tunnel: TunnelID) { ends.legs.resume(tunnel) }

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
            try open(wish(for: connect, from: caller, argumentByteCount), on: request.stream)
        } catch {
            refuse(request.stream, error, caller: isByToken ? nil : caller)
        }
    }

    private func wish(
        for request: ConnectRequest, from caller: PublicKey, _ argumentByteCount: Int? = nil
    ) -> TunnelWish {
        TunnelWish(
            request: request, client: peer.id, caller: caller,
            argumentByteCount: argumentByteCount ?? request.forwarded.serialized.readableBytes,
            time: peer.now)
    }

    /// Opens a tunnel to an endpoint that is announced here, or else asks other machines.
    private mutating func open(_ wish: TunnelWish, on stream: StreamID) throws(ConnectRefusal) {
        let request = wish.request
        do throws(ConnectRefusal) {
            let opened = try peer.portal.openTunnel(wish)
            let tunnel = ends.begin(opened, for: request, on: stream)
            ends.legs.attempts.begin(
                request, on: stream, over: tunnel.id, others: opened.others, account: peer.account,
                at: peer.now)
            noteOpened(tunnel, for: request)
        } catch {
            guard case .unreachable = error, ends.legs.attempts.hasNeighbours else { throw error }
            let byteCount = PortalTunnel.costByteCount(wish.argumentByteCount)
            guard let charge = peer.account.charge(byteCount) else { throw .busy }
            let attempt = ConnectAttempt(
                request: request, stream: stream, others: [], end: peer.now, charge: charge)
            guard lookUp(attempt) else { throw .busy }
        }
    }

    private func noteOpened(_ tunnel: PortalTunnel, for request: ConnectRequest) {
        peer.emit(
            request.isByToken
                ? .tunnelOpenedByToken(tunnel.id)
                : .tunnelOpened(tunnel.id, from: tunnel.client.peer, to: tunnel.endpoint.peer))
    }

    /// Tells a client that it is not connected; without its key where it gave a token.
    private func refuse(_ stream: StreamID, _ refusal: ConnectRefusal, caller: PublicKey?) {
        peer.session.muxrpc.fail(stream, message: refusal.message)
        peer.count { $0.tunnelRefusals[refusal.kind, default: 0] += 1 }
        peer.emit(.refused(caller, reason: refusal.reason))
    }

    /// Hop 2: a client's connection has registered a tunnel that ends here.
    ///
    /// It is refused where it cannot be opened, and where the endpoint leaves too much unread: each call to it
    /// takes memory that no tunnel's queue counts.
    mutating func open(_ tunnel: PortalTunnel, argument: JSONValue, request: String) {
        if ends.legs.unanswered.mustWait(tunnel), !tunnel.endpoint.flow.isClosed {
            ends.legs.unanswered.wait(
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
            ends.refuse(tunnel, .unreachable(request))
            return
        }
        ends.insert(tunnel, on: stream)
    }

    /// Passes calls on that need not wait any more, with what was sent behind them.
    mutating func openWaiting() {
        while let call = ends.legs.unanswered.next() {
            open(call.tunnel, argument: call.argument, request: call.request)
            for batch in call.batches { ends.append(batch, to: call.tunnel.id) }
        }
    }

    /// Refuses calls that have waited in vain.
    private mutating func refuseExpired() {
        while let call = ends.legs.unanswered.expired(at: peer.now) { ends.refuse(call.tunnel, .busy) }
    }

    // MARK: Other announcers

    /// Asks the next announcer in the place of one that has refused; whether there is one, or may be one.
    private mutating func askNext(insteadOf tunnel: TunnelID, message: String?) -> Bool {
        guard !ends.legs.attempts.isEmpty, var attempt = ends.legs.attempts[tunnel], peer.now <= attempt.end
        else { return false }
        let isMiss = message == ErrorText.couldNotConnect(to: attempt.request.targetText)
        // Who announces openly is asked once, and its words are passed on; those of a miss wait as a miss does.
        let isAskedOn =
            attempt.request.isByToken || !attempt.others.isEmpty || (attempt.isReached && message != nil)
        guard isAskedOn || isMiss else { return false }
        if askLocally(attempt, insteadOf: tunnel) { return true }
        attempt.refusal = message
        switch attempt.search {
        case .none: return false
        case .possible:
            guard lookUp(attempt, isMiss: !attempt.request.isByToken) else { return false }
            leave(tunnel)
        case .underWay:
            let isReached = attempt.isReached
            attempt.isReached = false
            ends.legs.attempts.store(attempt)
            leave(tunnel)
            let failure: NeighbourFailure = message == ErrorText.notReachable ? .noLink : .refused
            if isReached { ends.legs.attempts.failed(attempt, failure) }
        }
        return true
    }

    /// Has a call wait that had a tunnel.
    private mutating func leave(_ tunnel: TunnelID) {
        if let attempt = ends.legs.attempts[tunnel] { ends.legs.attempts.wait(attempt, insteadOf: tunnel) }
        ends.forget(tunnel)
    }

    private mutating func askLocally(_ attempt: ConnectAttempt, insteadOf tunnel: TunnelID) -> Bool {
        guard !attempt.others.isEmpty, let caller = peer.key,
            let opened = try? peer.portal.openTunnel(
                wish(for: attempt.request, from: caller), among: attempt.others)
        else { return false }
        var attempt = attempt
        attempt.others = opened.others
        move(attempt, insteadOf: tunnel, to: opened)
        return true
    }

    /// Begins a tunnel in the place of another, or of none, with what the client has sent.
    private mutating func move(
        _ attempt: ConnectAttempt, insteadOf former: TunnelID?, to opened: Portal.OpenedTunnel
    ) {
        if let former {
            ends.legs.attempts.wait(attempt, insteadOf: former)
            ends.forget(former)
        }
        let tunnel = ends.begin(opened, for: attempt.request, on: attempt.stream)
        ends.legs.resend(attempt.early.map { $0.copied() }, on: tunnel.id)
        ends.legs.attempts.keep(attempt, over: tunnel.id, at: peer.now)
        noteOpened(tunnel, for: attempt.request)
    }

    /// Sees to a call whose announcer is silent, or whose time is over.
    private mutating func see(to attempt: ConnectAttempt) {
        guard peer.now < attempt.end else {
            if attempt.isWaiting { endMiss(attempt) } else { ends.legs.attempts.drop(attempt) }
            return
        }
        guard let tunnel = attempt.tunnel, let leg = ends.legs[tunnel] else { return }
        if askLocally(attempt, insteadOf: tunnel) {
            peer.post(.ended(tunnel, message: ErrorText.otherSideIsGone), to: leg.far.mailbox)
        } else if attempt.search == .possible {
            _ = lookUp(attempt)
        } else if attempt.isReached {
            // It keeps its tunnel until there is another.
            var attempt = attempt
            attempt.silentUntil = nil
            attempt.isReached = false
            ends.legs.attempts.store(attempt)
            ends.legs.attempts.failed(attempt, .refused)
        }
    }

    // MARK: Other machines

    /// Has other machines asked for the target of a call; whether there is a place for that.
    private mutating func lookUp(_ attempt: ConnectAttempt, isMiss: Bool = false) -> Bool {
        guard let key = peer.key else { return false }
        let isMember = peer.portal.policy.standing(of: key) == .member
        return ends.legs.attempts.lookUp(
            attempt, isMiss: isMiss, as: isMember ? .member(key) : .stranger(source: peer.source),
            place: peer.portal.accounts.placeForLookUp(ofMember: isMember), tellingBy: peer.mailbox,
            at: peer.now)
    }

    /// Other machines have said something about the target of a call.
    mutating func lookedUp(_ ticket: UInt64, _ step: NeighbourStep) {
        guard var attempt = ends.legs.attempts[ticket: ticket] else { return }
        switch step {
        case .reach(let link, let endpoint): reach(attempt, over: link, to: endpoint)
        case .missed, .unreachable, .busy:
            attempt.search = .none
            // One that is only silent may yet say something.
            guard attempt.isWaiting else { return ends.legs.attempts.drop(attempt) }
            switch step {
            case .unreachable: end(attempt, .notReachable)
            case .busy: end(attempt, .busy)
            default: endMiss(attempt)
            }
        }
    }

    private mutating func reach(_ attempt: ConnectAttempt, over link: ConnectionID, to endpoint: PublicKey) {
        guard let caller = peer.key else { return }
        do throws(ConnectRefusal) {
            let opened = try peer.portal.openTunnel(
                wish(for: attempt.request, from: caller), over: link, to: endpoint)
            if let tunnel = attempt.tunnel, let leg = ends.legs[tunnel] {
                peer.post(.ended(tunnel, message: ErrorText.otherSideIsGone), to: leg.far.mailbox)
            }
            var attempt = attempt
            attempt.isReached = true
            move(attempt, insteadOf: attempt.tunnel, to: opened)
        } catch {
            switch error {
            case .notReachable: ends.legs.attempts.failed(attempt, .noLink)
            case .unreachable: ends.legs.attempts.failed(attempt, .refused)
            default: if attempt.isWaiting { end(attempt, error) } else { ends.legs.attempts.drop(attempt) }
            }
        }
    }

    /// A call has come to nothing; it hears the last words of an endpoint that was asked, if there were any.
    private mutating func endMiss(_ attempt: ConnectAttempt) {
        guard let refusal = attempt.refusal, refusal != ErrorText.notReachable else {
            return end(attempt, .unreachable(attempt.request.targetText))
        }
        ends.legs.attempts.drop(attempt)
        peer.session.muxrpc.fail(attempt.stream, message: refusal)
    }

    private mutating func end(_ attempt: ConnectAttempt, _ refusal: ConnectRefusal) {
        ends.legs.attempts.drop(attempt)
        refuse(attempt.stream, refusal, caller: attempt.request.isByToken ? nil : peer.key)
    }

    // MARK: Ends

    /// A tunnel was cut elsewhere.
    mutating func cut(_ tunnel: TunnelID, _ reason: TunnelCut) {
        if let call = ends.legs.unanswered.removeWaiting(tunnel) { ends.drop(call.tunnel) }
        ends.cut(tunnel, reason)
    }

    /// Cuts the tunnels that keep others of our peer waiting.
    mutating func judgePauses() { ends.judgePauses() }

    /// The peer has ended a stream, perhaps a tunnel's.
    mutating func streamEnded(_ stream: StreamID, message: String?) {
        if let leg = ends.legs[stream] { return ends.streamEnded(leg, message: message) }
        if let attempt = ends.legs.attempts[stream] { ends.legs.attempts.drop(attempt) }
    }

    /// The other side has ended: the end goes behind what waits, unless another announcer can be asked.
    mutating func farSideEnded(_ tunnel: TunnelID, message: String?) {
        if let call = ends.legs.unanswered.removeWaiting(tunnel) { ends.drop(call.tunnel) }
        guard !askNext(insteadOf: tunnel, message: message) else { return }
        ends.farSideEnded(tunnel, message: message)
    }

    /// Ends the tunnels that the peer has asked for, in the order in which they were opened.
    mutating func endOwn(message: String) {
        for leg in ends.legs.ofClient(peer.id) {
            peer.post(.ended(leg.tunnel.id, message: ErrorText.otherSideIsGone), to: leg.far.mailbox)
            peer.session.muxrpc.fail(leg.stream, message: message)
            ends.forget(leg.tunnel.id)
        }
        failWaiting(message: message)
        ends.legs.attempts.removeAll()
    }

    /// Ends every tunnel towards the peer; ``removeAll()`` forgets them.
    func fail(message: String) {
        ends.fail(message: message)
        failWaiting(message: message)
    }

    private func failWaiting(message: String) {
        for stream in ends.legs.attempts.waitingStreams {
            peer.session.muxrpc.fail(stream, message: message)
        }
    }

    mutating func removeAll() { ends.removeAll() }
}
