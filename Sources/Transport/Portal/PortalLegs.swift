internal import MuxRPC
internal import NIOCore
internal import Relay
internal import SecureSession
internal import Tunnel

/// A tunnel as one of the two connections sees it that it joins.
final class PortalLeg {
    let tunnel: PortalTunnel
    /// The tunnel's stream on this connection.
    let stream: StreamID
    /// The other connection.
    let far: PortalTunnel.End

    /// What this read has brought so far.
    fileprivate(set) var batch = PacketBatch(capacity: 0)
    fileprivate var isFilling = false

    /// Whether the other side has ended: what still comes from the peer has nowhere to go.
    fileprivate(set) var isDeaf = false

    init(_ tunnel: PortalTunnel, stream: StreamID, on connection: ConnectionID) {
        self.tunnel = tunnel
        self.stream = stream
        far = tunnel.end(acrossFrom: connection)
    }
}

/// The tunnels of one connection: what its peer sends on them, and what waits to be sent to it.
///
/// Packets of one read are gathered in one batch per tunnel, cut at 64 KiB so that tunnels can take turns, and
/// handed to the other connection, which seals them where they stand.
struct PortalLegs: ~Copyable {
    /// A read of the socket.
    struct Read {
        /// When it was.
        var time: NIODeadline
        /// What it brought, in bytes: no tunnel's batch needs more room.
        var byteCount: Int
    }

    /// What is handed over at once, in bytes: one turn of the other connection's queues.
    static let batchByteCount = OutboundQueues<PacketBatch>.quantumByteCount

    private let connection: ConnectionID
    private let inspector: (@Sendable (RelayedPacket) -> Void)?
    private var byTunnel: [TunnelID: PortalLeg] = [:]
    private var byStream: [StreamID: PortalLeg] = [:]
    private var filling: [PortalLeg] = []
    private var full: Set<TunnelID> = []

    /// The calls of the peer for which somebody else may be asked.
    var attempts = ConnectAttempts()

    /// What waits to be sent to the peer.
    var queues: OutboundQueues<PacketBatch>

    init(
        on connection: ConnectionID, patience: TimeAmount,
        inspector: (@Sendable (RelayedPacket) -> Void)? = nil
    ) {
        self.connection = connection
        self.inspector = inspector
        queues = OutboundQueues(patience: patience)
    }

    /// Whether the peer must not be read, because a queue that it fills is full.
    var isPaused: Bool { !full.isEmpty }

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
        byTunnel[leg.tunnel.id] = leg
        byStream[leg.stream] = leg
        queues.insert(leg.tunnel.end(on: connection).flow)
    }

    /// Forgets a tunnel, and drops what waits to be sent on it.
    @discardableResult
    mutating func remove(_ tunnel: TunnelID) -> PortalLeg? {
        queues.remove(tunnel)
        full.remove(tunnel)
        attempts.remove(tunnel)
        guard let leg = byTunnel.removeValue(forKey: tunnel) else { return nil }
        byStream[leg.stream] = nil
        leg.isDeaf = true
        return leg
    }

    mutating func removeAll() {
        queues.removeAll()
        full.removeAll()
        filling.removeAll()
        attempts.removeAll()
        byTunnel.removeAll()
        byStream.removeAll()
    }

    /// The other side has ended: the end goes behind what waits, and nothing is taken any more.
    mutating func farSideEnded(_ tunnel: TunnelID, message: String?) {
        guard let leg = byTunnel[tunnel] else { return }
        leg.isDeaf = true
        full.remove(tunnel)
        queues.appendEnd(message: message, to: tunnel)
    }

    /// The queue that the peer fills has room.
    mutating func resume(_ tunnel: TunnelID) { full.remove(tunnel) }

    // MARK: What the peer sends

    /// Opens the packet that the session has just announced into the batch of its tunnel, if that still takes any.
    mutating func open(
        _ byteCount: Int, on stream: StreamID, of session: SecureSession, read: Read,
        into outputs: inout CircularBuffer<PortalOutput>
    ) {
        guard let leg = byStream[stream], !leg.isDeaf else { return }
        makeRoom(for: byteCount, of: leg, read: read, into: &outputs)
        session.openPacket(into: &leg.batch)
    }

    /// Copies what came otherwise than as one packet of bytes into the batch of its tunnel, if that still takes any.
    mutating func append(
        _ body: ByteBuffer, type: BodyType, on stream: StreamID, read: Read,
        into outputs: inout CircularBuffer<PortalOutput>
    ) {
        guard let leg = byStream[stream], !leg.isDeaf else { return }
        makeRoom(for: body.readableBytes, of: leg, read: read, into: &outputs)
        leg.batch.append(body, type: type)
    }

    /// Hands over what the read has brought.
    mutating func flush(at now: NIODeadline, into outputs: inout CircularBuffer<PortalOutput>) {
        for leg in filling {
            leg.isFilling = false
            handOver(leg, at: now, into: &outputs)
        }
        filling.removeAll(keepingCapacity: true)
    }

    /// Hands over what the read has brought for one tunnel, in front of something else about it.
    mutating func handOver(
        _ leg: PortalLeg, at now: NIODeadline, into outputs: inout CircularBuffer<PortalOutput>
    ) {
        guard !leg.batch.isEmpty else { return }
        // Taken out, so that the buffer has one owner: it is sealed in place.
        var batch = PacketBatch(capacity: 0)
        swap(&batch, &leg.batch)
        guard !leg.isDeaf else { return }
        if !attempts.isEmpty { attempts.note(batch, on: leg.tunnel.id) }
        if let inspector {
            let sender = leg.tunnel.end(on: connection).peer
            for body in batch.bodies {
                inspector(RelayedPacket(tunnel: leg.tunnel.id, sender: sender, body: body))
            }
        }
        send(batch, on: leg, at: now, into: &outputs)
    }

    /// Sends what the peer has sent before once more, on a tunnel in the place of another.
    mutating func send(
        _ batch: consuming PacketBatch, on tunnel: TunnelID, at now: NIODeadline,
        into outputs: inout CircularBuffer<PortalOutput>
    ) {
        if let leg = byTunnel[tunnel] { send(batch, on: leg, at: now, into: &outputs) }
    }

    private mutating func send(
        _ batch: consuming PacketBatch, on leg: PortalLeg, at now: NIODeadline,
        into outputs: inout CircularBuffer<PortalOutput>
    ) {
        switch leg.far.flow.add(batch.byteCount, at: now) {
        case .closed: return
        case .full: full.insert(leg.tunnel.id)
        case .queued: break
        }
        outputs.append(.post(.packets(leg.tunnel.id, batch), to: leg.far.mailbox))
    }

    private mutating func makeRoom(
        for byteCount: Int, of leg: PortalLeg, read: Read, into outputs: inout CircularBuffer<PortalOutput>
    ) {
        let needed = PacketBatch.byteCount(ofPacketWithBody: byteCount)
        if leg.batch.byteCount + needed > Self.batchByteCount { handOver(leg, at: read.time, into: &outputs) }
        if leg.batch.isEmpty {
            leg.batch = PacketBatch(capacity: max(needed, min(Self.batchByteCount, read.byteCount)))
        }
        guard !leg.isFilling else { return }
        leg.isFilling = true
        filling.append(leg)
    }
}
