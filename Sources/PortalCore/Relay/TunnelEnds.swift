internal import Account
internal import Connection
internal import MuxRPC
internal import NIOCore
internal import SecureSession
internal import TypedSodium

/// The tunnels that have an end on one connection, a peer's or a link's: what passes in both directions, and who is cut.
///
/// How tunnels are opened is the owner's.
struct TunnelEnds: ~Copyable {
    private let peer: PortalPeer
    var legs: PortalLegs
    /// What waits to be sent to the peer.
    private var queues: OutboundQueues<RelayedBatch>

    init(of peer: PortalPeer) {
        self.peer = peer
        legs = PortalLegs(of: peer)
        queues = OutboundQueues(patience: peer.settings.patience)
    }

    /// When ``timeReached()`` is due next.
    var deadline: NIODeadline? {
        queues.stuckDeadline.earlier(queues.pacedDeadline).earlier(legs.deadline)
    }

    /// Sees to what is due.
    mutating func timeReached() {
        queues.resumePaced(at: peer.now)
        cutStuck()
        judgePauses()
    }

    /// Whether each tunnel has a queue towards the peer.
    var invariantsHold: Bool { legs.invariantsHold && queues.count == legs.count }

    // MARK: Packets

    /// Another connection sends packets to the peer.
    mutating func append(_ batch: consuming RelayedBatch, to tunnel: TunnelID) {
        queues.append(batch, to: tunnel, at: peer.now)
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

    // MARK: Opening

    /// Asks the endpoint of a tunnel that was opened for the peer, whose end is on a stream of it.
    mutating func begin(
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

    mutating func insert(_ tunnel: PortalTunnel, on stream: StreamID) {
        let leg = PortalLeg(tunnel, stream: stream, on: peer.id, at: peer.now)
        if peer.isLink {
            let isFromEndpoint = tunnel.endpoint.connection == peer.id
            leg.window = ReceiveWindow(takesLongPackets: isFromEndpoint, at: peer.now)
        }
        legs.insert(leg)
        queues.insert(
            tunnel.end(on: peer.id).flow, credit: peer.isLink ? ReceiveWindow.firstByteCount : .max)
    }

    /// The machine at the other end of a link takes so much more of a tunnel, in bytes.
    mutating func grant(_ byteCount: Int, to tunnel: TunnelID) { queues.grant(byteCount, to: tunnel) }

    /// Tells the client of a tunnel that was to end here why it is not connected.
    func refuse(_ tunnel: PortalTunnel, _ refusal: ConnectRefusal) {
        peer.count { $0.tunnelRefusals[refusal.kind, default: 0] += 1 }
        peer.post(.ended(tunnel.id, message: refusal.message), to: tunnel.client.mailbox)
        drop(tunnel)
    }

    // MARK: Cuts

    /// A tunnel was cut elsewhere, or is cut here.
    mutating func cut(_ tunnel: TunnelID, _ reason: TunnelCut) {
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

    /// The peer has ended the stream of a tunnel.
    mutating func streamEnded(_ leg: PortalLeg, message: String?) {
        legs.handOver(leg)
        peer.post(.ended(leg.tunnel.id, message: message), to: leg.far.mailbox)
        forget(leg.tunnel.id)
    }

    /// The other side has ended: the end goes behind what waits.
    ///
    /// That something is not reachable from here no endpoint says in the place of a machine.
    mutating func farSideEnded(_ tunnel: TunnelID, message: String?) {
        guard legs.closeReceive(of: tunnel) else { return }
        queues.appendEnd(
            message: message == ErrorText.notReachable ? ErrorText.otherSideIsGone : message, to: tunnel)
    }

    /// Ends every tunnel towards the peer; ``removeAll()`` forgets them.
    func fail(message: String) {
        for stream in legs.streams { peer.session.muxrpc.fail(stream, message: message) }
    }

    mutating func removeAll() {
        queues.removeAll()
        legs.removeAll()
    }

    mutating func forget(_ tunnel: TunnelID) {
        queues.remove(tunnel)
        legs.remove(tunnel)
        peer.portal.forget(tunnel, on: peer.id)
    }

    /// Forgets a tunnel whose call was not passed on.
    func drop(_ tunnel: PortalTunnel) {
        tunnel.endpoint.flow.close()
        peer.portal.forget(tunnel.id, on: peer.id)
    }
}
