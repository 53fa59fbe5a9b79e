internal import NIOCore

/// What the sessions of one connection share.
struct SessionContext {
    /// Which of the endpoint's connections.
    let connection: ConnectionNumber
    let holdings: Holdings
    let waits: StreamWaits
    let outputs: NodeOutputs
    /// Milliseconds since 1970.
    let wallClock: @Sendable () -> Int64
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
