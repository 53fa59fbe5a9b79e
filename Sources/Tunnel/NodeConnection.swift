package import Connection
internal import MuxRPC
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
    /// How long after its proof a peer that came by a token is refused, whatever was wrong: longer than any cause takes.
    package static let refusalTime = TimeAmount.milliseconds(500)
    /// How long a caller may take to say hello in its tunnel.
    package static let helloTime = TimeAmount.seconds(2)
    /// How long it may take to prove who it is, from the answer to its hello.
    package static let proofTime = TimeAmount.seconds(4)
    /// How long a session of an invite's holder stands at the most, whatever it calls.
    package static let inviteTime = TimeAmount.seconds(10)
    /// How long somebody is told for whom there is no place, until its first call is answered.
    package static let turningAwayTime = TimeAmount.seconds(2)
    /// How much is kept of what a caller sends before its handshake is over, in bytes; the messages have 176.
    static let earlyByteCount = 4096
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
    static let unfedByteCount = 256 << 10
    /// How much a connection holds itself without being charged for it, in bytes: parts of frames, between two reads.
    private static let freeByteCount = 16 << 10
    /// How long after there was no room for what it holds it asks again: nobody tells when others have made some.
    private static let roomTime = TimeAmount.milliseconds(100)

    let configuration: Configuration
    let remote: PublicKey
    let outer: PeerSession
    let tunnels: TunnelTable
    let calls: OuterCalls
    private var lifecycle: ConnectionLifecycle<NIODeadline>
    private let outputs = NodeOutputs()
    private let waits = StreamWaits()
    private var isHoldingInput = false
    /// What the connection holds itself: what no round has fed, and what waits for the portal; and whether there is no
    /// room for it.
    private let held: OpenHolding
    private var unwrittenByteCount = 0
    private var isOverdrawn = false
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
        self.remote = remote
        let role = PeerSession.Role.portal(announces: configuration.reception != .none)
        let secure: SecureSession
        do {
            secure = try SecureSession(
                dialling: remote, as: outerIdentity, network: configuration.network,
                manifest: NodeMethods.manifest(for: .portal(announces: configuration.reception != .none)))
        } catch {
            throw .wrongPeer
        }
        let context = SessionContext(
            connection: configuration.accounts.makeConnectionNumber(),
            holdings: configuration.accounts.holdings, waits: waits, outputs: outputs,
            wallClock: configuration.wallClock)
        let payer = configuration.accounts.payer(for: .portal(remote)).open()
        // It is bounded, and what it holds goes on to those who pay for more.
        held = context.holdings.openSession(
            SessionPlace(connection: context.connection, session: .outer), paidBy: payer, at: payer.bytes,
            givesWay: false)
        outer = PeerSession(
            id: .outer, secure: secure, role: role, payer: payer, in: context)
        tunnels = TunnelTable(
            configuration: configuration, portal: remote, outer: secure, context: context)
        calls = OuterCalls(
            configuration: configuration, portal: remote, secure: secure, tunnels: tunnels, outputs: outputs)
        lifecycle = .handshake(now + Self.handshakeTime)
    }

    // MARK: State

    /// Whether the socket should be read.
    package var wantsInput: Bool {
        !isBlocked && !isOverdrawn && tunnels.unfedByteCount < Self.unfedByteCount
    }

    /// Whether local ends should be read.
    package var wantsLocalInput: Bool { outer.secure.outboundByteCount < Self.localBacklogByteCount }

    /// Whether a frame of the peer has begun to arrive, and not arrived whole.
    package var isWithinFrame: Bool { outer.secure.isWithinFrame }

    /// What is to become of the connection.
    package var phase: ConnectionPhase { lifecycle.phase }

    /// Whether the connection is over, as far as its sessions are concerned.
    var isEnded: Bool { lifecycle.isOver }

    /// How many bytes wait for the socket.
    package var outboundByteCount: Int { outer.secure.outboundByteCount }

    /// How many tunnels there are, handshakes included.
    package var tunnelCount: Int { tunnels.count }

    /// Whether the peer's packets have to wait.
    ///
    /// Not any more when nothing follows them: the channel is about to go, and little is left.
    private var isBlocked: Bool {
        !hasInputEnded && outer.secure.outboundByteCount >= Self.backlogByteCount
    }

    // MARK: Bytes

    /// Bytes arrived from the socket.
    package func receive(_ bytes: ByteBuffer, at now: NIODeadline) {
        guard !isEnded else { return }
        lifecycle.heard(at: now)
        noteUnwritten()
        outer.secure.receive(bytes)
        process(at: now)
    }

    /// The socket will bring nothing more.
    package func inputEnded(at now: NIODeadline) {
        hasInputEnded = true
        guard !isEnded else { return }
        process(at: now)
    }

    /// The next bytes for the socket.
    package func nextWrite(at now: NIODeadline) -> ByteBuffer? {
        guard let bytes = outer.secure.nextOutbound() else {
            unwrittenByteCount = 0
            if isOverdrawn || held.holding.byteCount > 0 { pay() }
            return nil
        }
        lifecycle.sent(at: now)
        resumeProcessing(at: now)
        return bytes
    }

    /// Whether nothing was heard since something was sent.
    package var isUnanswered: Bool { lifecycle.isUnanswered }

    /// The peer's system has so many bytes of what was written, over all time, and more is on the way.
    package func acknowledged(_ byteCount: UInt64, at now: NIODeadline) {
        lifecycle.acknowledged(byteCount, at: now)
    }

    /// The next thing for the owner.
    package func nextOutput() -> NodeOutput? { outputs.next() }

    /// Goes on where the peer's packets had to wait; its silence meanwhile was our doing.
    private func resumeProcessing(at now: NIODeadline) {
        guard isHoldingInput, !isBlocked, !isEnded else { return }
        lifecycle.heard(at: now)
        process(at: now)
    }

    private func process(at now: NIODeadline) {
        let limit = hasInputEnded ? Int.max : Self.backlogByteCount
        do throws(SecureSessionError) {
            while !isEnded, let event = try outer.next(whileBelow: limit, at: now) {
                handle(event, at: now)
            }
            tunnels.feed(whileBelow: limit, at: now)
            if hasInputEnded, !isEnded {
                try outer.secure.inputEnded()
                end(nil)
            }
        } catch {
            end(SessionFailure(error))
        }
        settle()
        sayGoodbyeBehindTunnels(at: now)
        pay()
        isHoldingInput = isBlocked || tunnels.isHoldingInput
        nextRound =
            if isBlocked {
                nil
            } else if tunnels.needsAnotherRound {
                now
            } else {
                isOverdrawn ? now + Self.roomTime : nil
            }
    }

    /// Pays for what the connection holds itself, once a round; where there is no room the peer is not read until less
    /// waits.
    private func pay() {
        let byteCount = unwrittenByteCount + outer.secure.arrivedByteCount + tunnels.unfedCapacity
        let isCounted = byteCount > Self.freeByteCount && !isEnded
        isOverdrawn = !outer.streams.pay(for: isCounted ? byteCount : 0, at: held)
    }

    /// Takes note of what the socket has not taken of what was written before; the rest it takes at once.
    func noteUnwritten() {
        unwrittenByteCount = outer.secure.heldByteCount - outer.secure.arrivedByteCount
        if unwrittenByteCount > Self.freeByteCount { pay() }
    }

    private func handle(_ event: PeerSession.Event, at now: NIODeadline) {
        switch event {
        case .established(let peer):
            lifecycle.open(at: now)
            outputs.append(.established(.outer, peer))
        case .tunnel(let connect, let stream):
            calls.answer(connect, on: stream, at: now)
        case .reply(let number, let reply):
            calls.receive(reply, to: number)
        case .lateFailure(let number, let error):
            calls.receive(lateFailure: error, of: number)
        case .packet(let stream):
            tunnels.openPacket(on: stream)
        case .bytes(let stream, let bytes):
            tunnels.receive(bytes, on: stream)
        case .streamEnded(let stream, let error):
            tunnels.end(stream, error, at: now)
        case .ended:
            tunnels.feed(whileBelow: .max, at: now)
            end(nil)
        case .dismissed:
            break  // only whom we have called can send us away
        case .client, .proof:
            outer.secure.refuse()  // we dialled: nobody proves anything to us here
        }
    }

    // MARK: Proofs and places

    /// A proof that ``NodeOutput/prove(_:)`` has brought was looked at, or turned away.
    package func proved(_ work: ProofWork, at now: NIODeadline) {
        guard !isEnded else { return }
        tunnels.proved(work, at: now)
        settle()
    }

    /// Something on this connection has to go for somebody who has less.
    package func giveWay(_ displaced: Displaced, at now: NIODeadline) {
        guard !isEnded, displaced.connection == number else { return }
        switch displaced.what {
        case .session: tunnels.giveWay(displaced.session)
        case .heldSession: tunnels.giveUp(displaced.session)
        case .stream(let key, let resource): session(key.session)?.streams.giveWay(key, for: resource)
        }
        settle()
    }

    /// Who pays for what this connection holds.
    package var accounts: EndpointAccounts { configuration.accounts }

    /// Which of the connections this is that share an endpoint's accounts.
    package var number: ConnectionNumber { tunnels.number }

    // MARK: Time

    /// When ``timeReached(_:)`` is due next.
    package var deadline: NIODeadline? {
        guard !isEnded else { return lifecycle.deadline }
        return [lifecycle.deadline, tunnels.deadline, waits.deadline, nextRound].compactMap(\.self).min()
    }

    /// The clock reached ``deadline``.
    package func timeReached(_ now: NIODeadline) {
        switch lifecycle {
        case .handshake(let until) where now >= until:
            return end(.timedOut)
        case .closing(let until) where now >= until:
            outer.secure.finish()
            return end(nil)
        case .open:
            // While we do not read, the peer's silence means nothing; whether it reads is the channel's to judge.
            if isBlocked || isOverdrawn { lifecycle.heard(at: now) }
            switch lifecycle.livenessReached(now) {
            case .wait: break
            case .ask: _ = try? outer.secure.muxrpc.call(Method.ping.name, [])
            case .giveUp: return end(.timedOut)
            }
        case .handshake, .closing: break
        case .finished, .broken: return
        }
        tunnels.timeReached(now)
        while let key = waits.next(at: now) { session(key.session)?.streams.waitIsOver(key, at: now) }
        settle()
        sayGoodbyeBehindTunnels(at: now)
        if nextRound != nil || isOverdrawn { process(at: now) } else { resumeProcessing(at: now) }
    }

    // MARK: The end

    /// Says goodbye on every session, in order: inner ones, their tunnels, the connection.
    package func close(at now: NIODeadline) {
        switch lifecycle {
        case .handshake:
            end(nil)
        case .open where !tunnels.isLeaving:
            tunnels.leave(until: now + Self.tunnelEndTime)
            settle()
            sayGoodbyeBehindTunnels(at: now)
        case .open, .closing, .finished, .broken:
            break
        }
    }

    /// Says goodbye to the portal once every tunnel has ended, or has had the time for it.
    private func sayGoodbyeBehindTunnels(at now: NIODeadline) {
        guard lifecycle.isOpen, tunnels.haveLeft(at: now) else { return }
        tunnels.close()
        outer.secure.close()
        lifecycle.close(until: now + Self.goodbyeTime)
        settle()
    }

    /// Lays what every session has to say into the connection; once after every input.
    func settle() {
        outer.streams.settle()
        tunnels.settle()
    }

    /// The connection is over: with it every session.
    private func end(_ failure: SessionFailure?) {
        guard !isEnded else { return }
        if failure != nil || !outer.secure.isFinished {
            lifecycle.breakOff()
        } else {
            lifecycle.finish(until: nil)
        }
        tunnels.abandon(.lost)
        outer.streams.abandon()
        outputs.append(.ended(.outer, failure))
    }
}
