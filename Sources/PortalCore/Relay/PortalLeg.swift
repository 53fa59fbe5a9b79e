internal import Account
internal import MuxRPC
internal import NIOCore
internal import SecureSession
internal import TypedSodium

/// A tunnel as one of the two connections sees it that it joins.
final class PortalLeg {
    /// Who holds a sender up, in the eyes of that sender.
    ///
    /// For an endpoint the callers, whose accounts they are. A client has caused all of its tunnels itself; so for it
    /// those whom it calls.
    enum Holdup: Hashable {
        case caller(PortalAccounts.Causer)
        case endpoint(ConnectionID, PublicKey)
    }

    /// How long a new tunnel counts as one that people are at.
    private static let youth = TimeAmount.seconds(10)
    /// How long one does after it has carried something.
    private static let liveliness = TimeAmount.seconds(5)

    let tunnel: PortalTunnel
    /// The tunnel's stream on this connection.
    let stream: StreamID
    /// The other connection.
    let far: PortalTunnel.End
    /// Since when it is here.
    let openedAt: NIODeadline

    /// What this read has brought so far.
    var batch = RelayedBatch(capacity: 0)
    var isFilling = false
    /// How much this read has brought in batches that were handed over, in bytes.
    private var readByteCount = 0
    private var lastReadByteCount = 0

    /// When it last carried something, either way.
    var carriedAt: NIODeadline
    /// How many packets of the endpoint are missing until somebody has shown to be there.
    var unansweredCount: Int

    /// What the other machine may send, on a link.
    var window: ReceiveWindow?

    /// Whether the other side has ended: what still comes from the peer has nowhere to go.
    var isReceiveClosed = false

    init(_ tunnel: PortalTunnel, stream: StreamID, on connection: ConnectionID, at now: NIODeadline) {
        self.tunnel = tunnel
        self.stream = stream
        far = tunnel.end(acrossFrom: connection)
        openedAt = now
        carriedAt = now - Self.liveliness
        unansweredCount = tunnel.endpoint.connection == connection ? UnansweredCalls.packetCount : 0
    }

    /// Whether somebody has yet to show to be there, on the endpoint's side of the tunnel.
    var isUnanswered: Bool { unansweredCount > 0 }

    /// Until when it counts as one that people are at.
    var activeUntil: NIODeadline { max(openedAt + Self.youth, carriedAt + Self.liveliness) }

    /// How much is handed over at once, in bytes; known when a batch begins.
    var batchByteCount = PortalLegs.batchByteCount

    /// What the next batch will probably hold, in bytes: tunnels that are busy stay so.
    var expectedByteCount: Int { max(lastReadByteCount, readByteCount) }

    func holdup(on connection: ConnectionID) -> Holdup {
        tunnel.endpoint.connection == connection
            ? .caller(tunnel.cause.causer) : .endpoint(tunnel.endpoint.connection, tunnel.endpoint.peer)
    }

    func finishRead() {
        isFilling = false
        lastReadByteCount = readByteCount
        readByteCount = 0
    }

    /// Takes the batch out, so that its buffer has one owner: it is sealed in place.
    func takeBatch() -> RelayedBatch {
        var taken = RelayedBatch(capacity: 0)
        swap(&taken, &batch)
        readByteCount += taken.packets.byteCount
        return taken
    }
}
