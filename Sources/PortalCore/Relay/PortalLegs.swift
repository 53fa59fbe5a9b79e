internal import Account
internal import MuxRPC
internal import NIOCore
internal import SecureSession

/// The tunnels of one connection: what its peer sends on them, and what waits to be sent to it.
///
/// Packets of one read are gathered in one batch per tunnel, cut at 64 KiB so that tunnels can take turns, and
/// handed to the other connection, which seals them where they stand.
struct PortalLegs: ~Copyable {
    /// A read of the socket.
    struct Read {
        /// When it was.
        var time: NIODeadline
        /// What it brought and was not yet promised to a batch, in bytes: no more room is made ahead.
        var unpromisedByteCount = 0
    }

    /// What is handed over at once, in bytes: one turn of the other connection's queues.
    static let batchByteCount = OutboundQueues<RelayedBatch>.quantumByteCount

    private let connection: ConnectionID
    private let portal: Portal
    private var byTunnel: [TunnelID: PortalLeg] = [:]
    private var byStream: [StreamID: PortalLeg] = [:]
    private var filling: [PortalLeg] = []
    /// The queues that the peer fills and that are full, and how long others of it had to wait for them.
    private var pauses = PauseLedger<PortalLeg.Holdup>()
    /// A tunnel that was found to be active.
    private var witness: PortalLeg?

    /// The calls of the peer for which somebody else may be asked.
    var attempts = ConnectAttempts()
    /// The calls that the peer has not answered, and those that wait for them.
    var calls = UnansweredCalls()

    /// What waits to be sent to the peer.
    var queues: OutboundQueues<RelayedBatch>

    init(on connection: ConnectionID, of portal: Portal) {
        self.connection = connection
        self.portal = portal
        queues = OutboundQueues(patience: portal.settings.patience)
    }

    /// Whether the peer must not be read, because a queue that it fills is full.
    var isPaused: Bool { pauses.isPaused }

    /// The streams, in the order in which the tunnels were opened.
    var streams: [StreamID] { byTunnel.sorted { $0.key < $1.key }.map(\.value.stream) }

    /// The tunnels that a connection has asked for, in the order in which they were opened.
    func ofClient(_ connection: ConnectionID) -> [PortalLeg] {
        byTunnel.values.filter { $0.tunnel.client.connection == connection }
            .sorted { $0.tunnel.id < $1.tunnel.id }
    }

    subscript(stream: StreamID) -> PortalLeg? { byStream[stream] }

    subscript(tunnel: TunnelID) -> PortalLeg? { byTunnel[tunnel] }

    // MARK: Tunnels come and go

    mutating func insert(_ leg: PortalLeg) {
        countPauses(at: leg.openedAt)
        byTunnel[leg.tunnel.id] = leg
        byStream[leg.stream] = leg
        queues.insert(leg.tunnel.end(on: connection).flow)
        if leg.isUnanswered { calls.opened(leg.tunnel) }
    }

    /// Forgets a tunnel, and drops what waits to be sent on it.
    @discardableResult
    mutating func remove(_ tunnel: TunnelID, at now: NIODeadline) -> PortalLeg? {
        queues.remove(tunnel)
        calls.settled(tunnel)
        resume(tunnel, at: now)
        attempts.remove(tunnel)
        guard let leg = byTunnel.removeValue(forKey: tunnel) else { return nil }
        byStream[leg.stream] = nil
        leg.isReceiveClosed = true
        if witness === leg { witness = nil }
        return leg
    }

    mutating func removeAll() {
        queues.removeAll()
        calls = UnansweredCalls()
        pauses = PauseLedger()
        filling.removeAll()
        attempts.removeAll()
        byTunnel.removeAll()
        byStream.removeAll()
        witness = nil
    }

    /// The other side has ended: the end goes behind what waits, and nothing is taken any more.
    mutating func farSideEnded(_ tunnel: TunnelID, message: String?, at now: NIODeadline) {
        guard let leg = byTunnel[tunnel] else { return }
        resume(tunnel, at: now)
        leg.isReceiveClosed = true
        queues.appendEnd(message: message, to: tunnel)
    }

    // MARK: What the peer sends

    /// Opens the packet that the session has just announced into the batch of its tunnel, if that still takes any.
    mutating func open(
        _ byteCount: Int, on stream: StreamID, of session: SecureSession, read: inout Read,
        into outputs: inout CircularBuffer<PortalOutput>
    ) {
        guard let leg = byStream[stream], !leg.isReceiveClosed else { return }
        makeRoom(for: byteCount, of: leg, read: &read, into: &outputs)
        leg.batch.open(from: session)
    }

    /// Copies what came otherwise than as one packet of bytes into the batch of its tunnel, if that still takes any.
    mutating func append(
        _ body: ByteBuffer, type: BodyType, on stream: StreamID, read: inout Read,
        into outputs: inout CircularBuffer<PortalOutput>
    ) {
        guard let leg = byStream[stream], !leg.isReceiveClosed else { return }
        makeRoom(for: body.readableBytes, of: leg, read: &read, into: &outputs)
        leg.batch.append(body, type: type)
    }

    /// Hands over what the read has brought.
    mutating func flush(at now: NIODeadline, into outputs: inout CircularBuffer<PortalOutput>) {
        for leg in filling {
            handOver(leg, at: now, into: &outputs)
            leg.finishRead()
        }
        filling.removeAll(keepingCapacity: true)
    }

    /// Hands over what the read has brought for one tunnel, in front of something else about it.
    mutating func handOver(
        _ leg: PortalLeg, at now: NIODeadline, into outputs: inout CircularBuffer<PortalOutput>
    ) {
        guard !leg.batch.packets.isEmpty else { return }
        var batch = leg.takeBatch()
        guard !leg.isReceiveClosed else { return }
        if !attempts.isEmpty { attempts.note(batch, on: leg.tunnel.id) }
        inspect(batch, of: leg)
        noteCarried(leg, at: now)
        noteAnswered(leg, batch.packetCount)
        batch.shrinkIfWorth()
        send(batch, on: leg, at: now, into: &outputs)
    }

    /// Sends what the peer has sent before once more, on a tunnel in the place of another.
    mutating func resend(
        _ batches: [RelayedBatch], on tunnel: TunnelID, at now: NIODeadline,
        into outputs: inout CircularBuffer<PortalOutput>
    ) {
        guard let leg = byTunnel[tunnel] else { return }
        for batch in batches { send(batch, on: leg, at: now, into: &outputs) }
    }

    private mutating func send(
        _ batch: consuming RelayedBatch, on leg: PortalLeg, at now: NIODeadline,
        into outputs: inout CircularBuffer<PortalOutput>
    ) {
        guard let (charge, isFull) = charge(batch.costByteCount, of: leg, into: &outputs) else { return }
        batch.charge = charge
        if isFull { pause(leg, at: now) }
        outputs.append(.post(.packets(leg.tunnel.id, batch), to: leg.far.mailbox))
        guard leg.tunnel.cause.load.isExceeded else { return }
        if let victim = portal.largestTunnel(at: leg.tunnel.endpoint.connection) {
            cut(victim, .memory, into: &outputs)
        }
    }

    /// Charges a batch before it waits; `nil` where it is to be dropped.
    private func charge(
        _ byteCount: Int, of leg: PortalLeg, into outputs: inout CircularBuffer<PortalOutput>
    ) -> (Charge, isFull: Bool)? {
        var admission = leg.far.flow.add(byteCount)
        if case .refused = admission {
            let victim = portal.tunnel(givingWayTo: leg.tunnel, for: byteCount)
            cut(victim, .memory, into: &outputs)
            if victim !== leg.tunnel { admission = leg.far.flow.overdraw(byteCount) }
        }
        guard case .queued(let charge, let isFull) = admission else { return nil }
        return (charge, isFull)
    }

    /// Ends a tunnel of any two connections.
    func cut(_ tunnel: PortalTunnel, _ reason: TunnelCut, into outputs: inout CircularBuffer<PortalOutput>) {
        tunnel.close()
        for end in [tunnel.client, tunnel.endpoint] {
            outputs.append(.post(.cut(tunnel.id, reason), to: end.mailbox))
        }
        outputs.append(.event(.tunnelCut(tunnel.id, reason)))
    }

    private func inspect(_ batch: RelayedBatch, of leg: PortalLeg) {
        guard let inspector = portal.settings.inspector else { return }
        let sender = leg.tunnel.end(on: connection).peer
        for body in batch.packets.bodies {
            inspector(RelayedPacket(tunnel: leg.tunnel.id, sender: sender, body: body))
        }
    }

    private mutating func noteAnswered(_ leg: PortalLeg, _ packetCount: Int) {
        guard leg.isUnanswered else { return }
        leg.unansweredCount -= packetCount
        if !leg.isUnanswered { calls.settled(leg.tunnel.id) }
    }

    /// Makes room by what the tunnel has brought lately, and never for more than what is left of the read.
    private mutating func makeRoom(
        for byteCount: Int, of leg: PortalLeg, read: inout Read,
        into outputs: inout CircularBuffer<PortalOutput>
    ) {
        let needed = PacketBatch.byteCount(ofPacketWithBody: byteCount)
        if leg.batch.turnByteCount + needed > leg.batchByteCount {
            // What the batch was promised and did not need.
            read.unpromisedByteCount += max(0, leg.batch.packets.capacity - leg.batch.packets.byteCount)
            handOver(leg, at: read.time, into: &outputs)
        }
        if leg.batch.packets.isEmpty {
            leg.batchByteCount = leg.far.flow.turnByteCount
            let expected = min(leg.expectedByteCount, read.unpromisedByteCount, leg.batchByteCount)
            let capacity = max(needed, expected)
            leg.batch = RelayedBatch(capacity: capacity)
            read.unpromisedByteCount -= capacity
        }
        guard !leg.isFilling else { return }
        leg.isFilling = true
        filling.append(leg)
    }

    // MARK: Pauses

    /// The queue that the peer fills has room.
    mutating func resume(_ tunnel: TunnelID, at now: NIODeadline) {
        guard pauses.isPaused else { return }
        countPauses(at: now)
        pauses.resumed(tunnel)
    }

    private mutating func pause(_ leg: PortalLeg, at now: NIODeadline) {
        countPauses(at: now)
        pauses.paused(leg.tunnel.id, by: leg.holdup(on: connection), at: now)
    }

    /// Takes note that a tunnel has carried something, from the peer or to it.
    mutating func noteCarried(_ leg: PortalLeg, at now: NIODeadline) {
        countPauses(at: now)
        leg.carriedAt = now
    }

    /// When something has to be seen to while the peer is not read for others' sake.
    var pauseDeadline: NIODeadline? { pauses.deadline }

    /// Resumes what has room again, and says which tunnels have kept others waiting for too long.
    mutating func judgePauses(at now: NIODeadline) -> [TunnelID] {
        guard pauses.isPaused else { return [] }
        countPauses(at: now)
        for tunnel in Array(pauses.fullTunnels)
        where byTunnel[tunnel].map({ $0.far.flow.resumeIfRoom() }) ?? true {
            pauses.resumed(tunnel)
        }
        var condemned: [TunnelID] = []
        while let verdict = pauses.judge(isSomebodyActive: activeUntil(at: now) != nil, at: now) {
            condemned.append(verdict.tunnel)
        }
        return condemned
    }

    private mutating func countPauses(at now: NIODeadline) {
        guard pauses.isPaused else { return }
        pauses.count(until: activeUntil(at: now), at: now)
    }

    /// Until when some tunnel that has room is one that people are at, as it looks now; `nil` where none is.
    private mutating func activeUntil(at now: NIODeadline) -> NIODeadline? {
        if let witness, isWaiting(witness), witness.activeUntil > now { return witness.activeUntil }
        witness = byTunnel.values.filter { isWaiting($0) }.max { $0.activeUntil < $1.activeUntil }
        return witness?.activeUntil
    }

    /// Whether a tunnel waits only because the peer is not read.
    private func isWaiting(_ leg: PortalLeg) -> Bool {
        !leg.isReceiveClosed && !pauses.isFull(leg.tunnel.id)
    }
}
