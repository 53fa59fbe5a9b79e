/// What a session refuses to send; the peer's bytes cause none of these.
public enum MuxRPCError: Error, Equatable, Sendable {
    /// The call or stream has ended, was never opened, or the goodbye is said.
    case notOpen(Int32)
    /// A body longer than a peer may be asked to take, in bytes.
    case bodyTooLong(Int, limit: Int)
    /// As many calls and streams as allowed are open.
    case tooManyOpen(limit: Int)
    /// As many bytes as allowed wait to be sent; take the outbox first.
    case queueFull(limit: Int)
    /// All 2³¹ - 1 request numbers of this connection are used up.
    case outOfNumbers
    /// Either side has said goodbye, or the transport has ended: nothing can be called any more.
    case closed
}
