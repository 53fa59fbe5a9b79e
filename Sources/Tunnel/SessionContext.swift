internal import NIOCore
internal import SecureSession

/// What the sessions of one connection share.
struct SessionContext {
    /// Which of the endpoint's connections.
    let connection: ConnectionNumber
    let holdings: Holdings
    let waits: StreamWaits
    let outputs: NodeOutputs
    /// What its streams bring, taken together.
    let inward = SharedWay()
    /// What they send.
    let outward = SharedWay()
    /// Whose turn it is to send.
    let outlet: Outlet
    /// Milliseconds since 1970.
    let wallClock: @Sendable () -> Int64
}

/// What the streams of one connection send through.
final class Outlet {
    private let outer: SecureSession
    var turns = OutboundTurns()
    /// When something last came, or could be written.
    var now = NIODeadline.uptimeNanoseconds(0)

    init(_ outer: SecureSession) { self.outer = outer }

    /// How much a stream may send at once, in bytes; nothing where others wait, or much is sealed already.
    var room: Int {
        turns.isEmpty && outer.outboundByteCount < OutboundTurns.aheadByteCount
            ? turns.loneByteCount : 0
    }
}

/// The one queue of outputs that the sessions of a connection share, so that they come out in order.
final class NodeOutputs {
    private var queue = CircularBuffer<NodeOutput>()

    func append(_ output: NodeOutput) { queue.append(output) }

    func next() -> NodeOutput? { queue.popFirst() }
}

/// The streams of one connection that wait for more credit than they have, in the order in which they stop waiting.
///
/// All wait equally long, so a queue is in order by itself.
final class StreamWaits {
    /// How long a stream waits that might send less than ``SendTurns/leastByteCount``.
    static let time = TimeAmount.milliseconds(100)

    private var queue = CircularBuffer<(until: NIODeadline, key: StreamKey)>()

    /// When the first one stops waiting.
    var deadline: NIODeadline? { queue.first?.until }

    func append(_ key: StreamKey, at now: NIODeadline) {
        // What a stream's session was told last may be older than what is at the end of the queue already.
        queue.append((max(now + Self.time, queue.last?.until ?? now), key))
    }

    /// The next one that has waited long enough.
    func next(at now: NIODeadline) -> StreamKey? {
        guard let first = queue.first, first.until <= now else { return nil }
        queue.removeFirst()
        return first.key
    }
}
