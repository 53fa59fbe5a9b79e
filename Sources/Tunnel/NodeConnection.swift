package import Blinding
package import Connection
internal import Multiserver
package import MuxRPC
package import NIOCore
internal import SecureSession
package import TypedSodium

/// A node's connection to a portal, or straight to a peer, with the sessions inside its tunnels.
///
/// It serves both roles: an endpoint announces itself and answers tunnels, a client opens them. It knows no socket
/// and no clock: bytes and time come in; bytes, and what the owner has to do, come out. Outputs can come from every
/// call, ``nextWrite(at:)`` included.
package final class NodeConnection: ConnectionMachine {
    /// How long a handshake may take that we have begun, outer or inner.
    package static let handshakeTime = TimeAmount.seconds(10)
    /// How long the peer's goodbye is awaited before the connection is ended without it.
    package static let goodbyeTime = TimeAmount.seconds(2)
    /// How long the ends of tunnels are awaited before goodbye is said to the portal.
    ///
    /// Go's portals end the session of somebody whose data is on its way when the tunnel that it is meant for goes.
    package static let tunnelEndTime = TimeAmount.milliseconds(300)
    /// How much may wait for the socket before local ends, and then the peer, are read no more; in bytes.
    ///
    /// 128 KiB: what waits here is in its order, so on a slow line every stream waits for all of it.
    package static let localBacklogByteCount = 128 << 10
    /// 4 MiB: only peers get there that ask, or send without credit, and do not read.
    ///
    /// What has arrived then waits too, because an answer can be ten times as long as its question.
    package static let backlogByteCount = 4 << 20

    /// How much may wait for the next rounds of its tunnels before the peer is not read for that long, in bytes: one
    /// read.
    private static let unfedByteCount = 256 << 10

    package typealias Configuration = NodeConfiguration
    package typealias Reception = NodeReception
    private let configuration: Configuration
    private let sessions: NodeSessions
    private var lifecycle: ConnectionLifecycle<NIODeadline>
    private var isHoldingInput = false
    private var hasInputEnded = false
    /// When the tunnels that have more than a round gives get more: at once, but after what else the loop has to do; or
    /// when room is asked for again.
    private var nextRound: NIODeadline?

    /// Dials the portal or peer with that key, showing `outerIdentity` to it.
    ///
    /// - Throws: ``SessionFailure/wrongPeer`` for a key that cannot be anybody's.
    package init(
        to remote: PublicKey, showing outerIdentity: Identity, configuration: Configuration,
        at now: NIODeadline
    ) throws(SessionFailure) {
        self.configuration = configuration
        sessions = try NodeSessions(to: remote, showing: outerIdentity, configuration: configuration)
        lifecycle = .handshake(now + Self.handshakeTime)
    }

    private var secure: SecureSession { sessions.outer.secure }
    // MARK: State

    package var wantsInput: Bool {
        !isBlocked && !sessions.isOverdrawn && sessions.tunnels.unfedByteCount < Self.unfedByteCount
    }

    /// Whether local ends should be read.
    package var wantsLocalInput: Bool { secure.outboundByteCount < Self.localBacklogByteCount }

    package var isWithinFrame: Bool { secure.isWithinFrame }
    package var phase: ConnectionPhase { lifecycle.phase }
    /// Whether the connection is over, as far as its sessions are concerned.
    private var isEnded: Bool { lifecycle.isOver }

    package var outboundByteCount: Int { secure.outboundByteCount }
    package var tunnelCount: Int { sessions.tunnels.count }

    /// Whether the peer's packets have to wait.
    ///
    /// Not any more when nothing follows them: the channel is about to go, and little is left.
    private var isBlocked: Bool {
        !hasInputEnded && secure.outboundByteCount >= Self.backlogByteCount
    }

    // MARK: Bytes

    package func receive(_ bytes: ByteBuffer, at now: NIODeadline) {
        guard !isEnded else { return }
        lifecycle.heard(at: now)
        sessions.arrived(isEnded: isEnded, at: now)
        secure.receive(bytes)
        process(at: now)
    }

    package func inputEnded(at now: NIODeadline) {
        hasInputEnded = true
        guard !isEnded else { return }
        process(at: now)
    }

    package func nextWrite(at now: NIODeadline) -> ByteBuffer? {
        guard let bytes = sessions.nextWrite(takesTurns: !isEnded, at: now) else {
            sessions.noteWritten(isEnded: isEnded)
            return nil
        }
        lifecycle.sent(at: now)
        resumeProcessing(at: now)
        return bytes
    }

    package var isUnanswered: Bool { lifecycle.isUnanswered }
    package func acknowledged(_ byteCount: UInt64, at now: NIODeadline) {
        lifecycle.acknowledged(byteCount, at: now)
    }

    package func nextOutput() -> NodeOutput? { sessions.nextOutput() }

    /// Goes on where the peer's packets had to wait; its silence meanwhile was our doing.
    private func resumeProcessing(at now: NIODeadline) {
        guard isHoldingInput, !isBlocked, !isEnded else { return }
        lifecycle.heard(at: now)
        process(at: now)
    }

    private func process(at now: NIODeadline) {
        let limit = hasInputEnded ? Int.max : Self.backlogByteCount
        do throws(SecureSessionError) {
            while !isEnded, let event = try sessions.outer.next(whileBelow: limit, at: now) {
                handle(event, at: now)
            }
            sessions.tunnels.feed(whileBelow: limit, at: now)
            if hasInputEnded, !isEnded {
                try secure.inputEnded()
                end(nil)
            }
        } catch {
            end(SessionFailure(error))
        }
        sessions.settle()
        sayGoodbyeBehindTunnels(at: now)
        sessions.pay(isEnded: isEnded)
        isHoldingInput = isBlocked || sessions.tunnels.isHoldingInput
        nextRound =
            if isBlocked {
                nil
            } else if sessions.tunnels.needsAnotherRound {
                now
            } else {
                sessions.isOverdrawn ? now + ConnectionHolding.roomTime : nil
            }
    }

    private func handle(_ event: PeerSession.Event, at now: NIODeadline) {
        switch event {
        case .established(let peer):
            lifecycle.open(at: now)
            sessions.report(.established(.outer, peer))
        case .ended:
            sessions.tunnels.feed(whileBelow: .max, at: now)
            end(nil)
        default:
            sessions.calls.handle(event, at: now)
        }
    }

    // MARK: What the owner asks for

    /// Announces this node by its id at the portal; ``NodeOutput/announced`` or ``NodeOutput/announcementEnded(_:)``
    /// follows.
    package func announce() {
        precondition(!isHidden, "a hidden endpoint announces tokens and nothing else")
        guard !isEnded else { return }
        sessions.calls.announce()
        sessions.settle()
    }

    /// Announces tokens in the place of all before, in this order, which the caller has shuffled;
    /// ``NodeOutput/tokensAnnounced(_:_:)`` follows unless the connection ends first.
    ///
    /// Until the portal has answered, the tokens of both sets are answered. One announcement is outstanding at a time:
    /// another one waits, and is replaced by the next.
    /// - Throws: `MuxRPCError` when the portal cannot be asked; the former tokens stay.
    package func announce(hidden entries: [TokenEntry]) throws(MuxRPCError) -> AnnouncementID {
        precondition(isHidden, "only a hidden endpoint answers tokens")
        guard !isEnded else { throw .closed }
        defer { sessions.settle() }
        return try sessions.calls.announce(hidden: entries)
    }

    private var isHidden: Bool {
        if case .hidden = configuration.reception { true } else { false }
    }

    /// Changes what is offered to whom, at once: peers that are not allowed any more are said goodbye to, and
    /// the streams of services that are not are ended with ``ErrorText/unknownService``.
    ///
    /// Does nothing at a node that only dials.
    package func update(policy: EndpointPolicy) {
        guard !isEnded, let current = sessions.tunnels.admission.policy else { return }
        current.policy = policy
        sessions.tunnels.followPolicy()
        sessions.settle()
    }

    /// Answers a peer's question; does nothing where it was answered, or its session is over.
    package func answer(_ question: QuestionID, with answer: Answer) {
        session(question.session)?.answer(question, with: answer)
        sessions.settle()
    }

    /// Opens a tunnel to the target behind this portal, and a session inside; ``NodeOutput/established(_:_:)`` or
    /// ``NodeOutput/ended(_:_:)`` follows.
    ///
    /// A hidden target is called by its token, and by the key that it shows the portal where that is known, which is all
    /// that the portal then sees of it. The target gets to know `identity`, this node's own unless it is that of an
    /// invite.
    /// - Throws: ``SessionFailure/lost`` when the connection takes no more, ``SessionFailure/wrongPeer`` for a target
    ///   that cannot be anybody.
    package func openTunnel(
        to target: PublicKey, token: PairToken? = nil, by shownKey: PublicKey? = nil, instance: Int = 0,
        as identity: Identity? = nil, at now: NIODeadline
    ) throws(SessionFailure) -> SessionID {
        guard !isEnded, !sessions.tunnels.isLeaving else { throw .lost }
        defer { sessions.settle() }
        return try sessions.calls.openTunnel(
            to: target, token: token, by: shownKey, instance: instance, as: identity, at: now)
    }

    /// Says goodbye on a session inside a tunnel.
    package func closeTunnel(_ session: SessionID) {
        sessions.tunnels.session(session)?.secure.close()
        sessions.settle()
    }

    /// Calls an async method; ``NodeOutput/reply(_:_:)`` follows unless the session ends first.
    package func call(
        _ name: [String], _ arguments: [JSONValue], on session: SessionID
    ) throws(MuxRPCError) -> CallID {
        defer { sessions.settle() }
        guard let peer = self.session(session) else { throw .closed }
        return CallID(session: session, number: try peer.secure.muxrpc.call(name, arguments))
    }

    /// Opens a stream whose packets come as ``NodeOutput/item(_:_:_:)``.
    package func openItems(
        _ kind: CallKind, _ name: [String], _ arguments: [JSONValue], on session: SessionID
    ) throws(MuxRPCError) -> StreamKey {
        defer { sessions.settle() }
        guard let peer = self.session(session) else { throw .closed }
        return try peer.streams.openItems(kind, name, arguments)
    }

    /// Opens `service.open` with that name, or `echo`: a stream with credit.
    package func openService(_ service: ServiceRequest, on session: SessionID) throws(MuxRPCError)
        -> StreamKey
    {
        defer { sessions.settle() }
        guard let peer = self.session(session) else { throw .closed }
        return try peer.streams.openService(service)
    }

    /// The local end of a service that the far side asked for stands.
    package func serviceConnected(_ key: StreamKey) { with(key) { $0.connected(key) } }

    /// The service cannot be had, or a stream is to end in the middle: the far side gets the message.
    package func refuseService(_ key: StreamKey, message: String) {
        with(key) { $0.abort(key, message: message) }
    }

    /// Sends bytes of the local end; `false` when it should wait for ``ServiceEvent/wantsMore``.
    package func send(_ bytes: ByteBuffer, on key: StreamKey) -> Bool {
        var takesMore = true
        sessions.noteUnwritten(isEnded: isEnded, localByteCount: bytes.readableBytes)
        with(key) { takesMore = $0.offer(bytes, on: key) }
        return takesMore
    }

    /// The local end has no more bytes.
    package func sendEnd(on key: StreamKey) { with(key) { $0.offerEnd(on: key) } }

    /// The local end has taken bytes that were received.
    package func drained(_ byteCount: Int, on key: StreamKey) { with(key) { $0.drained(byteCount, on: key) } }

    private func with(_ key: StreamKey, _ body: (PeerStreams) -> Void) {
        guard let peer = session(key.session) else { return }
        body(peer.streams)
        sessions.settle()
    }

    private func session(_ id: SessionID) -> PeerSession? { isEnded ? nil : sessions[id] }

    // MARK: Proofs and places

    /// A proof that ``NodeOutput/prove(_:)`` has brought was looked at, or turned away.
    package func proved(_ work: ProofWork, at now: NIODeadline) {
        guard !isEnded else { return }
        sessions.tunnels.admission.proved(work, at: now)
        sessions.settle()
    }

    /// Something on this connection has to go for somebody who has less.
    package func giveWay(_ displaced: Displaced, at now: NIODeadline) {
        guard !isEnded else { return }
        sessions.giveWay(displaced)
        sessions.settle()
    }

    /// Who pays for what this connection holds.
    package var accounts: EndpointAccounts { configuration.accounts }

    /// Which of the connections this is that share an endpoint's accounts.
    package var number: ConnectionNumber { sessions.number }

    // MARK: Time

    package var deadline: NIODeadline? {
        guard !isEnded else { return lifecycle.deadline }
        return [lifecycle.deadline, sessions.deadline, nextRound].compactMap(\.self).min()
    }

    package func timeReached(_ now: NIODeadline) {
        switch lifecycle {
        case .handshake(let until) where now >= until:
            return end(.timedOut)
        case .closing(let until) where now >= until:
            secure.finish()
            return end(nil)
        case .open:
            // While we do not read, the peer's silence means nothing; whether it reads is the channel's to judge.
            if isBlocked || sessions.isOverdrawn { lifecycle.heard(at: now) }
            switch lifecycle.livenessReached(now) {
            case .wait: break
            case .ask: _ = try? secure.muxrpc.call(Method.ping.name, [])
            case .suspect: sessions.report(.fellSilent)
            case .giveUp: return end(.timedOut)
            }
        case .handshake, .closing: break
        case .finished, .broken: return
        }
        sessions.timeReached(now)
        sessions.settle()
        sayGoodbyeBehindTunnels(at: now)
        if nextRound != nil || sessions.isOverdrawn { process(at: now) } else { resumeProcessing(at: now) }
    }

    // MARK: Another connection in the place of this one

    /// Puts up with more or less of the portal's silence from now on.
    package func expect(_ patience: Liveness.Patience) { lifecycle.expect(patience) }
    /// Whether the portal has been silent for so long that another way to it is looked for.
    package var isSilent: Bool { lifecycle.isSuspect }

    /// Takes no more calls, because another connection does, and says goodbye once the tunnels have ended; those that this
    /// node has opened end when nothing is open in them.
    ///
    /// A portal that is silent is given up sooner from now on.
    package func retire(at now: NIODeadline) {
        lifecycle.replaced()
        sessions.tunnels.retire()
        sessions.settle()
        sayGoodbyeBehindTunnels(at: now)
    }

    // MARK: The end

    /// Says goodbye on every session, in order: inner ones, their tunnels, the connection.
    package func close(at now: NIODeadline) {
        switch lifecycle {
        case .handshake:
            end(nil)
        case .open where !sessions.tunnels.isLeaving:
            sessions.tunnels.leave(until: now + Self.tunnelEndTime)
            sessions.settle()
            sayGoodbyeBehindTunnels(at: now)
        case .open, .closing, .finished, .broken:
            break
        }
    }

    /// Says goodbye to the portal once every tunnel has ended, or has had the time for it.
    private func sayGoodbyeBehindTunnels(at now: NIODeadline) {
        if sessions.tunnels.isUnused { sessions.tunnels.leave(until: now + Self.tunnelEndTime) }
        guard lifecycle.isOpen, sessions.tunnels.haveLeft(at: now) else { return }
        sessions.tunnels.close()
        secure.close()
        lifecycle.close(until: now + Self.goodbyeTime)
        sessions.settle()
    }

    /// The connection is over: with it every session.
    private func end(_ failure: SessionFailure?) {
        guard !isEnded else { return }
        if failure != nil || !secure.isFinished {
            lifecycle.breakOff()
        } else {
            lifecycle.finish(until: nil)
        }
        sessions.abandon()
        sessions.report(.ended(.outer, failure))
    }
}
