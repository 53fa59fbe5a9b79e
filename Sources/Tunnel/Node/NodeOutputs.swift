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
