internal import Account
internal import Connection
internal import MuxRPC
internal import NIOCore
internal import SecureSession

/// The tunnels of one connection: what its peer sends on them, and what waits to be sent to it.
///
/// Packets of one read are gathered in one batch per tunnel, cut at 64 KiB so that tunnels can take turns, and
/// handed to the other connection, which seals them where they stand.
struct PortalLegs: ~Copyable {
    /// What is handed over at once, in bytes: one turn of the other connection's queues.
    static let batchByteCount = OutboundQueues<RelayedBatch>.quantumByteCount

    private let peer: PortalPeer
    private var byTunnel: [TunnelID: PortalLeg] = [:]
    private var byStream: [StreamID: PortalLeg] = [:]
    /// What this read has begun to bring.
    private var filling: [PortalLeg] = []
    /// What the read brought and was not yet promised to a batch, in bytes: no more room is made ahead.
    private var unpromisedByteCount = 0
    /// What was handed over and is not in the portal's counters yet, in bytes.
    private var uncountedByteCount = 0
    /// The queues that the peer fills.
    private var pauses: LegPauses

    /// The calls of the peer that may still go to another announcer.
    var attempts: ConnectAttempts
    /// The calls that the peer has not answered, and those that wait for them.
    var unanswered = UnansweredCalls()

    init(of peer: PortalPeer) {
        self.peer = peer
        pauses = LegPauses(on: peer.id)
        attempts = ConnectAttempts(neighbours: peer.settings.neighbours)
    }

    /// Whether the peer must not be read, because a queue that it fills is full.
    var isPaused: Bool { pauses.isPaused }

    /// When something has to be seen to though nothing comes.
    var deadline: NIODeadline? {
        pauses.deadline.earlier(unanswered.deadline).earlier(attempts.deadline)
    }

    /// The streams, in the order in which the tunnels were opened.
    var streams: [StreamID] { byTunnel.sorted { $0.key < $1.key }.map(\.value.stream) }

    /// The tunnels that a connection has asked for, in the order in which they were opened.
    func ofClient(_ connection: ConnectionID) -> [PortalLeg] {
        byTunnel.values.filter { $0.tunnel.client.connection == connection }
            .sorted { $0.tunnel.id < $1.tunnel.id }
    }

    subscript(stream: StreamID) -> PortalLeg? { byStream[stream] }

    subscript(tunnel: TunnelID) -> PortalLeg? { byTunnel[tunnel] }

    var count: Int { byTunnel.count }

    /// Whether each tunnel is found by its stream.
    var invariantsHold: Bool { byTunnel.count == byStream.count }

    // MARK: Tunnels come and go

    mutating func insert(_ leg: PortalLeg) {
        pauses.count(in: byTunnel, at: leg.openedAt)
        byTunnel[leg.tunnel.id] = leg
        byStream[leg.stream] = leg
        if leg.isUnanswered { unanswered.opened(leg.tunnel) }
    }

    mutating func remove(_ tunnel: TunnelID) {
        unanswered.settled(tunnel)
        resume(tunnel)
        attempts.remove(tunnel)
        guard let leg = byTunnel.removeValue(forKey: tunnel) else { return }
        byStream[leg.stream] = nil
        leg.isReceiveClosed = true
        pauses.forget(leg)
    }

    mutating func removeAll() {
        attempts.removeAll()
        self = PortalLegs(of: peer)
    }

    /// Takes nothing more for a tunnel whose other side has ended; whether the tunnel is here.
    mutating func closeReceive(of tunnel: TunnelID) -> Bool {
        guard let leg = byTunnel[tunnel] else { return false }
        resume(tunnel)
        leg.isReceiveClosed = true
        return true
    }

    // MARK: What the peer sends

    /// A read has brought so many bytes.
    mutating func beginRead(of byteCount: Int) { unpromisedByteCount = byteCount }

    /// Opens the packet that the session has just announced into the batch of its tunnel, if that still takes any, and
    /// with it the tunnel's next ones.
    mutating func open(_ byteCount: Int, on stream: StreamID, of session: SecureSession) {
        guard let leg = byStream[stream] else {
            guard attempts.isWaiting(stream) else { return }
            var batch = RelayedBatch(capacity: PacketBatch.byteCount(ofPacketWithBody: byteCount))
            batch.open(from: session, upTo: Self.batchByteCount)
            return keepEarly(batch, on: stream)
        }
        guard !leg.isReceiveClosed else { return }
        makeRoom(for: byteCount, of: leg)
        leg.batch.open(from: session, upTo: leg.batchByteCount)
    }

    /// Keeps what the peer sends on the stream of a call that waits for other machines; too much ends the call.
    private mutating func keepEarly(_ batch: consuming RelayedBatch, on stream: StreamID) {
        guard !attempts.keepEarly(batch, on: stream, account: peer.account) else { return }
        if let attempt = attempts[stream] { attempts.drop(attempt) }
        peer.end(stream, message: ErrorText.tooMuchAhead)
    }

    /// Copies what came otherwise than as one packet of bytes into the batch of its tunnel, if that still takes any.
    mutating func append(_ body: ByteBuffer, type: BodyType, on stream: StreamID) {
        guard let leg = byStream[stream] else {
            guard attempts.isWaiting(stream) else { return }
            var batch = RelayedBatch(capacity: PacketBatch.byteCount(ofPacketWithBody: body.readableBytes))
            batch.append(body, type: type)
            return keepEarly(batch, on: stream)
        }
        guard !leg.isReceiveClosed else { return }
        makeRoom(for: body.readableBytes, of: leg)
        leg.batch.append(body, type: type)
    }

    /// Hands over what the read has brought.
    mutating func flush() {
        for leg in filling {
            handOver(leg)
            leg.finishRead()
        }
        filling.removeAll(keepingCapacity: true)
        if uncountedByteCount > 0 {
            peer.relayed.add(uncountedByteCount)
            uncountedByteCount = 0
        }
    }

    /// Hands over what the read has brought for one tunnel, in front of something else about it.
    mutating func handOver(_ leg: PortalLeg) {
        guard !leg.batch.packets.isEmpty else { return }
        var batch = leg.takeBatch()
        guard !leg.isReceiveClosed else { return }
        guard leg.window?.receive(batch.packets.byteCount) ?? true else {
            return peer.cut(leg.tunnel, .overrun)
        }
        if !attempts.isEmpty { attempts.note(batch, on: leg.tunnel.id, account: peer.account) }
        inspect(batch, of: leg)
        noteCarried(leg, at: peer.now)
        noteAnswered(leg, batch.packetCount)
        batch.shrinkIfWorth()
        send(batch, on: leg)
    }

    /// Sends what the peer has sent before once more, on a tunnel in the place of another.
    mutating func resend(_ batches: [RelayedBatch], on tunnel: TunnelID) {
        guard let leg = byTunnel[tunnel] else { return }
        for batch in batches { send(batch, on: leg) }
    }

    private mutating func send(_ batch: consuming RelayedBatch, on leg: PortalLeg) {
        guard let (charge, isFull) = charge(batch.costByteCount, of: leg) else { return }
        batch.charge = charge
        uncountedByteCount += batch.packets.byteCount
        // A link is always read: its tunnels have credit in the place of pauses.
        if isFull, leg.window == nil { pauses.begin(leg, in: byTunnel, at: peer.now) }
        peer.post(.packets(leg.tunnel.id, batch), to: leg.far.mailbox)
        guard leg.tunnel.cause.load.isExceeded else { return }
        if let victim = peer.portal.largestTunnel(at: leg.tunnel.endpoint.connection) {
            peer.cut(victim, .memory)
        }
    }

    /// Charges a batch before it waits; `nil` where it is to be dropped.
    private func charge(_ byteCount: Int, of leg: PortalLeg) -> (Charge, isFull: Bool)? {
        var admission = leg.far.flow.add(byteCount)
        if case .refused = admission {
            let victim = peer.portal.tunnel(givingWayTo: leg.tunnel, for: byteCount)
            peer.cut(victim, .memory)
            if victim !== leg.tunnel { admission = leg.far.flow.overdraw(byteCount) }
        }
        guard case .queued(let charge, let isFull) = admission else { return nil }
        return (charge, isFull)
    }

    private func inspect(_ batch: RelayedBatch, of leg: PortalLeg) {
        guard let inspector = peer.portal.settings.inspector else { return }
        let sender = leg.tunnel.end(on: peer.id).peer
        for body in batch.packets.bodies {
            inspector(RelayedPacket(tunnel: leg.tunnel.id, sender: sender, body: body))
        }
    }

    private mutating func noteAnswered(_ leg: PortalLeg, _ packetCount: Int) {
        guard leg.isUnanswered else { return }
        leg.unansweredCount -= packetCount
        if !leg.isUnanswered { unanswered.settled(leg.tunnel.id) }
    }

    /// Makes room by what the tunnel has brought lately, and never for more than what is left of the read.
    private mutating func makeRoom(for byteCount: Int, of leg: PortalLeg) {
        let needed = PacketBatch.byteCount(ofPacketWithBody: byteCount)
        if leg.batch.turnByteCount + needed > leg.batchByteCount {
            // What the batch was promised and did not need.
            unpromisedByteCount += max(0, leg.batch.packets.capacity - leg.batch.packets.byteCount)
            handOver(leg)
        }
        if leg.batch.packets.isEmpty {
            leg.batchByteCount = leg.far.flow.turnByteCount
            let expected = min(leg.expectedByteCount, unpromisedByteCount, leg.batchByteCount)
            let capacity = max(needed, expected)
            leg.batch = RelayedBatch(capacity: capacity)
            unpromisedByteCount -= capacity
        }
        guard !leg.isFilling else { return }
        leg.isFilling = true
        filling.append(leg)
    }

    // MARK: Pauses

    /// The queue that the peer fills has room.
    mutating func resume(_ tunnel: TunnelID) { pauses.end(tunnel, in: byTunnel, at: peer.now) }

    /// Takes note that a tunnel has carried something, from the peer or to it.
    mutating func noteCarried(_ leg: PortalLeg, at now: NIODeadline) {
        pauses.count(in: byTunnel, at: now)
        leg.carriedAt = now
    }

    /// Resumes what has room again, and says which tunnels have kept others waiting for too long.
    mutating func judgePauses() -> [TunnelID] { pauses.judge(in: byTunnel, at: peer.now) }
}
