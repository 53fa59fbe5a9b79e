internal import MuxRPC
public import NIOCore
internal import SecureSession
public import Sodium

/// A node's connection to a portal, or straight to a peer, with the sessions inside its tunnels.
///
/// It serves both roles: an endpoint announces itself and answers tunnels, a client opens them. It knows no socket
/// and no clock: bytes and time come in; bytes, and what the owner has to do, come out. Outputs can come from every
/// call, ``nextWrite(at:)`` included.
public final class NodeConnection {
    /// How long a handshake may take that we have begun, outer or inner.
    public static let handshakeTime = TimeAmount.seconds(10)
    /// How long the peer's goodbye is awaited before the connection is ended without it.
    public static let goodbyeTime = TimeAmount.seconds(2)
    /// How long the ends of tunnels are awaited before goodbye is said to the portal.
    ///
    /// Go's portals end the session of somebody whose data is on its way when the tunnel that it is meant for goes.
    public static let tunnelEndTime = TimeAmount.milliseconds(300)
    /// How long after its proof a peer that came by a token is refused, whatever was wrong: longer than any cause takes.
    public static let refusalTime = TimeAmount.milliseconds(500)
    /// How long a caller may take to say hello in its tunnel.
    public static let helloTime = TimeAmount.seconds(2)
    /// How long it may take to prove who it is, from the answer to its hello.
    public static let proofTime = TimeAmount.seconds(4)
    /// How long a session of an invite's holder stands at the most, whatever it calls.
    public static let inviteTime = TimeAmount.seconds(10)
    /// How long somebody is told for whom there is no place, until its first call is answered.
    public static let turningAwayTime = TimeAmount.seconds(2)
    /// How much is kept of what a caller sends before its handshake is over, in bytes; the messages have 176.
    static let earlyByteCount = 4096
    /// How much may wait for the socket before local ends, and then the peer, are read no more; in bytes.
    ///
    /// 128 KiB: what waits here is in its order, so on a slow line every stream waits for all of it.
    public static let localBacklogByteCount = 128 << 10
    /// 4 MiB: only peers get there that ask, or send without credit, and do not read.
    ///
    /// What has arrived then waits too, because an answer can be ten times as long as its question.
    public static let backlogByteCount = 4 << 20

    /// How much may wait for the next rounds of its tunnels before the peer is not read for that long, in bytes: one
    /// read.
    static let unfedByteCount = 256 << 10
    /// How much a connection holds itself without being charged for it, in bytes: parts of frames, between two reads.
    private static let freeByteCount = 16 << 10

    let configuration: Configuration
    let remote: PublicKey
    let outer: PeerSession
    let tunnels: TunnelTable
    let calls: OuterCalls
    /// Whether the connection is over, as far as its sessions are concerned.
    private(set) var isEnded = false

    private let outputs = NodeOutputs()
    private let waits = StreamWaits()
    private var liveness: Liveness
    private var handshakeDeadline: NIODeadline?
    private var goodbyeDeadline: NIODeadline?
    /// Until when the ends of tunnels are awaited, so that goodbye can be said.
    private var tunnelEndDeadline: NIODeadline?
    private var isHoldingInput = false
    /// What the connection holds itself: what no round has fed, and what waits for the portal; and whether there is no
    /// room for it.
    private let held: OpenHolding
    private var unwrittenByteCount = 0
    private var isOverdrawn = false
    private var hasInputEnded = false
    /// When the tunnels that have more than a round gives get more: at once, but after what else the loop has to do.
    private var nextRound: NIODeadline?

    /// Whether the connection is to be cut, whatever waits.
    public private(set) var isBroken = false

    /// Dials the portal or peer with that key, showing `outerIdentity` to it.
    ///
    /// - Throws: ``SessionFailure/wrongPeer`` for a key that cannot be anybody's.
    public init(
        to remote: PublicKey, showing outerIdentity: Identity, configuration: Configuration,
        at now: NIODeadline
    ) throws(SessionFailure) {
        self.configuration = configuration
        self.remote = remote
        let manifest = configuration.reception == .none ? NodeManifest.client : NodeManifest.endpoint
        let secure: SecureSession
        do {
            secure = try SecureSession(
                dialling: remote, as: outerIdentity, network: configuration.network, manifest: manifest)
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
            id: .outer, secure: secure, house: nil, payer: payer, in: context)
        tunnels = TunnelTable(
            configuration: configuration, portal: remote, outer: secure, context: context)
        calls = OuterCalls(
            configuration: configuration, portal: remote, session: outer, tunnels: tunnels, outputs: outputs)
        liveness = Liveness(heardAt: now)
        handshakeDeadline = now + Self.handshakeTime
    }

    // MARK: State

    /// Whether the socket should be read.
    public var wantsInput: Bool {
        !isBlocked && !isOverdrawn && tunnels.unfedByteCount < Self.unfedByteCount
    }

    /// Whether local ends should be read.
    public var wantsLocalInput: Bool { outer.secure.outboundByteCount < Self.localBacklogByteCount }

    /// Whether a frame of the peer has begun to arrive, and not arrived whole.
    public var isWithinFrame: Bool { outer.secure.isWithinFrame }

    /// Whether everything is said, so that the socket is to be closed behind the last write.
    public var isFinished: Bool { outer.secure.isFinished }

    /// How many bytes wait for the socket.
    public var outboundByteCount: Int { outer.secure.outboundByteCount }

    /// How many tunnels there are, handshakes included.
    public var tunnelCount: Int { tunnels.count }

    /// Whether the peer's packets have to wait.
    ///
    /// Not any more when nothing follows them: the channel is about to go, and little is left.
    private var isBlocked: Bool {
        !hasInputEnded && outer.secure.outboundByteCount >= Self.backlogByteCount
    }

    // MARK: Bytes

    /// Bytes arrived from the socket.
    public func receive(_ bytes: ByteBuffer, at now: NIODeadline) {
        guard !isEnded else { return }
        liveness.heard(at: now)
        noteUnwritten()
        outer.secure.receive(bytes)
        process(at: now)
    }

    /// The socket will bring nothing more.
    public func inputEnded(at now: NIODeadline) {
        hasInputEnded = true
        guard !isEnded else { return }
        process(at: now)
    }

    /// The next bytes for the socket.
    public func nextWrite(at now: NIODeadline) -> ByteBuffer? {
        guard let bytes = outer.secure.nextOutbound() else {
            unwrittenByteCount = 0
            if held.holding.byteCount > 0 { pay() }
            return nil
        }
        // A handshake has a time of its own.
        if handshakeDeadline == nil { liveness.sent(at: now) }
        goOn(at: now)
        return bytes
    }

    /// Whether nothing was heard since something was sent.
    public var isUnanswered: Bool { liveness.isUnanswered }

    /// The peer's system has so many bytes of what was written, over all time, and more is on the way.
    public func acknowledged(_ byteCount: UInt64, at now: NIODeadline) {
        liveness.acknowledged(byteCount, at: now)
    }

    /// The next thing for the owner.
    public func nextOutput() -> NodeOutput? { outputs.next() }

    /// Goes on where the peer's packets had to wait; its silence meanwhile was our doing.
    private func goOn(at now: NIODeadline) {
        guard isHoldingInput, !isBlocked, !isEnded else { return }
        liveness.heard(at: now)
        process(at: now)
    }

    private func process(at now: NIODeadline) {
        let limit = hasInputEnded ? Int.max : Self.backlogByteCount
        do throws(SecureSessionError) {
            while !isEnded, let concern = try outer.next(whileBelow: limit, at: now) {
                see(to: concern, at: now)
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
        nextRound = tunnels.needsAnotherRound && !isBlocked ? now : nil
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

    private func see(to concern: PeerSession.Concern, at now: NIODeadline) {
        switch concern {
        case .established(let peer):
            handshakeDeadline = nil
            outputs.append(.established(.outer, peer))
        case .request(let request):
            calls.answer(request, at: now)
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
        case .client, .proof:
            outer.secure.refuse()  // we dialled: nobody proves anything to us here
        }
    }

    // MARK: Proofs and places

    /// A proof that ``NodeOutput/prove(_:)`` has brought was looked at, or turned away.
    public func proved(_ work: ProofWork, at now: NIODeadline) {
        guard !isEnded else { return }
        tunnels.proved(work, at: now)
        settle()
    }

    /// Something on this connection has to go for somebody who has less.
    public func giveWay(_ displaced: Displaced, at now: NIODeadline) {
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
    public var deadline: NIODeadline? {
        guard !isEnded else { return goodbyeDeadline }
        return [
            handshakeDeadline ?? liveness.deadline, tunnelEndDeadline, goodbyeDeadline, tunnels.deadline,
            waits.deadline, nextRound,
        ].compactMap(\.self).min()
    }

    /// The clock reached ``deadline``.
    public func timeReached(_ now: NIODeadline) {
        if let goodbyeDeadline, now >= goodbyeDeadline {
            self.goodbyeDeadline = nil
            outer.secure.finish()
            end(nil)
            return
        }
        guard !isEnded else { return }
        if let handshakeDeadline {
            if now >= handshakeDeadline { return end(.timedOut) }
        } else {
            // While we do not read, the peer's silence means nothing; whether it reads is the channel's to judge.
            if isBlocked { liveness.heard(at: now) }
            switch liveness.timeReached(now) {
            case .wait: break
            case .ask: _ = try? outer.secure.muxrpc.call(["tunnel", "ping"], [])
            case .giveUp: return end(.timedOut)
            }
        }
        tunnels.timeReached(now)
        while let key = waits.next(at: now) { session(key.session)?.streams.waitIsOver(key, at: now) }
        settle()
        sayGoodbyeBehindTunnels(at: now)
        if nextRound != nil { process(at: now) } else { goOn(at: now) }
    }

    // MARK: The end

    /// Says goodbye on every session, in order: inner ones, their tunnels, the connection.
    public func close(at now: NIODeadline) {
        guard !isEnded, goodbyeDeadline == nil, tunnelEndDeadline == nil else { return }
        guard outer.secure.isOpen else { return end(nil) }
        tunnels.leave()
        tunnelEndDeadline = now + Self.tunnelEndTime
        settle()
        sayGoodbyeBehindTunnels(at: now)
    }

    /// Says goodbye to the portal once every tunnel has ended, or has had the time for it.
    private func sayGoodbyeBehindTunnels(at now: NIODeadline) {
        guard let tunnelEndDeadline, !isEnded, tunnels.haveEnded || now >= tunnelEndDeadline else { return }
        self.tunnelEndDeadline = nil
        tunnels.close()
        outer.secure.close()
        goodbyeDeadline = now + Self.goodbyeTime
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
        isEnded = true
        isBroken = failure != nil || !outer.secure.isFinished
        tunnels.abandon(.lost)
        outer.streams.abandon()
        outputs.append(.ended(.outer, failure))
    }
}
