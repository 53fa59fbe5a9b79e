internal import Account
internal import Connection
internal import MuxRPC
internal import NIOCore
internal import SecureSession
internal import TypedSodium

/// The tunnels on one session between two machines: the one that has dialled opens them, the other searches its own
/// directory alone, so that nothing is passed on twice.
///
/// The session is always read: each tunnel has credit, and one that goes beyond it is cut. Who is charged, and what may
/// be called, is decided by the caller's key and source, as for a client.
final class LinkTunnels {
    /// How many calls a second are passed on, and at once: what is beyond hears that the endpoint has no place.
    private static let (callsPerSecond, callBurst) = (2_000.0, 4_000.0)
    /// How long a session without tunnels is kept.
    private static let idleTime = TimeAmount.seconds(60)

    let peer: PortalPeer
    private let isDialler: Bool
    private var ends: TunnelEnds
    private var flow: LinkFlow?
    private var calls: Rate
    private var idleSince: NIODeadline?
    private var takesTunnels = true

    init(of peer: PortalPeer, isDialler: Bool) {
        self.peer = peer
        self.isDialler = isDialler
        ends = TunnelEnds(of: peer)
        calls = Rate(perSecond: Self.callsPerSecond, burst: Self.callBurst, at: peer.now)
        idleSince = peer.now
        // The stream for grants stands before the first tunnel.
        if isDialler, let stream = try? peer.session.muxrpc.open(.duplex, Method.linkFlow.name, []) {
            flow = LinkFlow(on: stream, isDialler: true)
        }
    }

    /// When ``timeReached()`` is due next.
    var deadline: NIODeadline? {
        let idle = isDialler && ends.legs.count == 0 ? idleSince.map { $0 + Self.idleTime } : nil
        return ends.deadline.earlier(idle)
    }

    /// Sees to what is due.
    func timeReached() { ends.timeReached() }

    /// Whether the session has had no tunnel for so long that it is not worth keeping.
    var isIdle: Bool {
        isDialler && ends.legs.count == 0 && idleSince.map { $0 + Self.idleTime <= peer.now } ?? false
    }

    /// Whether each tunnel has a queue towards the other machine.
    var invariantsHold: Bool { ends.invariantsHold }

    // MARK: Packets

    /// A read has brought so many bytes.
    func beginRead(of byteCount: Int) { ends.legs.beginRead(of: byteCount) }

    /// Opens the packet that the session has just announced.
    func open(_ byteCount: Int, on stream: StreamID, of session: SecureSession) {
        guard stream == flow?.stream else { return ends.legs.open(byteCount, on: stream, of: session) }
        var grants = ByteBuffer()
        session.openPacket(into: &grants)
        receive(grants: grants)
    }

    /// Takes what came otherwise than as one packet of bytes.
    func append(_ body: ByteBuffer, type: BodyType, on stream: StreamID) {
        guard stream == flow?.stream else { return ends.legs.append(body, type: type, on: stream) }
        receive(grants: body)
    }

    /// Hands over what the read has brought.
    func flush() { ends.legs.flush() }

    private func receive(grants: ByteBuffer) {
        flow?.receive(grants)
        while let (stream, byteCount) = flow?.next() {
            if let leg = ends.legs[stream] { ends.grant(byteCount, to: leg.tunnel.id) }
        }
    }

    /// Puts what is granted in front of what waits to be sent.
    func sendGrants() {
        guard let stream = flow?.stream, let grants = flow?.take() else { return }
        try? peer.session.muxrpc.send(grants, on: stream)
    }

    /// Seals what a tunnel sends next; whether there was anything.
    func takeTurn(for session: SecureSession, at now: NIODeadline) -> Bool {
        guard ends.takeTurn(for: session, at: now) else { return false }
        noteIdle()
        return true
    }

    /// The receiver of a tunnel has sent on some of what came from the other machine.
    private func grant(_ tunnel: TunnelID) {
        guard let leg = ends.legs[tunnel] else { return }
        let drained = leg.far.flow.takeDrained()
        guard drained > 0, var window = leg.window else { return }
        let account = leg.tunnel.cause.account
        let granted = window.drained(drained, mayGrow: account.hasRoom(for: window.byteCount), at: peer.now)
        leg.window = window
        flow?.grant(granted, on: leg.stream)
    }

    // MARK: Opening

    /// The other machine asks for something.
    func answer(_ request: Request) {
        switch Method(name: request.name) {
        case .linkFlow? where flow == nil: flow = LinkFlow(on: request.stream, isDialler: false)
        case .linkConnect?: connect(request)
        default: peer.refuse(request, ErrorText.noSuchMethod(request.name))
        }
    }

    /// A client of the other machine wants to be connected to an endpoint that is announced here.
    private func connect(_ request: Request) {
        do throws(ConnectRefusal) {
            guard calls.take(at: peer.now) else { throw .busy }
            let call = try LinkCall(request.arguments)
            let connect = try ConnectRequest(forwarded: call.argument, from: call.caller, by: call.announcer)
            let wish = TunnelWish(
                request: connect, client: peer.id, caller: call.caller,
                argumentByteCount: call.argument.serialized.readableBytes, time: peer.now,
                remoteSource: call.source)
            let opened = try peer.portal.openTunnel(wish)
            let tunnel = ends.begin(opened, for: connect, on: request.stream)
            idleSince = nil
            peer.emit(
                connect.isByToken
                    ? .tunnelOpenedByToken(tunnel.id)
                    : .tunnelOpened(tunnel.id, from: call.caller, to: tunnel.endpoint.peer))
        } catch {
            peer.session.muxrpc.fail(request.stream, message: error.message)
            peer.count { $0.tunnelRefusals[error.kind, default: 0] += 1 }
        }
    }

    /// A client of this machine has registered a tunnel to the other one.
    private func open(_ tunnel: PortalTunnel, argument: JSONValue) {
        let arguments = LinkCall.arguments(
            for: tunnel, source: hashed(tunnel.cause.source),
            isMember: peer.portal.policy.standing(of: tunnel.client.peer) == .member, argument)
        guard isDialler, takesTunnels, !tunnel.endpoint.flow.isClosed,
            peer.session.outboundByteCount <= peer.settings.controlByteCount,
            let stream = try? peer.session.muxrpc.open(.duplex, Method.linkConnect.name, arguments)
        else { return ends.refuse(tunnel, .notReachable) }
        idleSince = nil
        ends.insert(tunnel, on: stream)
    }

    /// A name for what an address counts as, alike on all machines of the portal.
    private func hashed(_ source: String) -> String {
        var hash = GenericHash(label: "companionway/1/cluster-source", key: peer.portal.identity.seed())
        hash.update(Array(source.utf8).span)
        let digest = hash.finalize().array.prefix(16)
        return String(decoding: TextEncoding.base64URL.encode(Array(digest).span), as: UTF8.self)
    }

    // MARK: Messages and ends

    /// Does what another connection of the portal asks for.
    func take(_ message: consuming RelayMessage) {
        switch consume message {
        case .open(let tunnel, let argument, _): open(tunnel, argument: argument)
        case .packets(let tunnel, let batch): ends.append(batch, to: tunnel)
        case .ended(let tunnel, let message): ends.farSideEnded(tunnel, message: message)
        case .resume(let tunnel): grant(tunnel)
        case .cut(let tunnel, let reason): ends.cut(tunnel, reason)
        case .policyChanged: followPolicy()
        default: break  // is for those who announce and call
        }
        noteIdle()
    }

    /// Ends the tunnels of callers of the other machine that may not call any more.
    private func followPolicy() {
        let policy = peer.portal.policy
        for leg in ends.legs.ofClient(peer.id) where !policy.letsCall(leg.tunnel.client.peer) {
            peer.post(.ended(leg.tunnel.id, message: ErrorText.otherSideIsGone), to: leg.far.mailbox)
            peer.session.muxrpc.fail(leg.stream, message: ErrorText.membersCall)
            ends.forget(leg.tunnel.id)
        }
    }

    /// The other machine has ended a stream; whether the session can go on.
    func streamEnded(_ stream: StreamID, message: String?) -> Bool {
        if let leg = ends.legs[stream] { ends.streamEnded(leg, message: message) }
        noteIdle()
        return stream != flow?.stream
    }

    private func noteIdle() {
        if idleSince == nil, ends.legs.count == 0 { idleSince = peer.now }
    }

    /// The other machine is silent for so long that it gets no more tunnels, or is heard again.
    func set(takesTunnels: Bool) {
        guard takesTunnels != self.takesTunnels else { return }
        self.takesTunnels = takesTunnels
        peer.portal.setLink(peer.id, takesTunnels: takesTunnels)
    }

    /// Takes the session out of the portal: each tunnel ends in an error, at both ends.
    func leave() {
        ends.legs.flush()
        for tunnel in peer.portal.unregister(peer.id, of: nil).tunnels {
            tunnel.end(on: peer.id).flow.close()
            let isOurs = tunnel.client.connection == peer.id
            peer.post(
                .ended(tunnel.id, message: isOurs ? ErrorText.otherSideIsGone : ErrorText.notReachable),
                to: tunnel.end(acrossFrom: peer.id).mailbox)
        }
        ends.removeAll()
    }

    /// Ends every tunnel towards the other machine.
    func fail(message: String) { ends.fail(message: message) }
}
