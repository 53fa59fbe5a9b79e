internal import NIOCore

/// The one queue of outputs that the sessions of a connection share, so that they come out in order.
final class NodeOutputs {
    private var queue = CircularBuffer<NodeOutput>()

    func append(_ output: NodeOutput) { queue.append(output) }

    func next() -> NodeOutput? { queue.popFirst() }
}
