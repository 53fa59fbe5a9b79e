internal import MuxRPC
internal import NIOCore

/// What has arrived and what waits, and what that costs.
extension SecureSession {
    /// What the session holds at this moment, in bytes of memory: frames and packets that have not come whole, what was
    /// not taken by ``next()`` yet, and what waits to be sent.
    ///
    /// What it is charged with: buffers count with their capacity, however little there is in them.
    public var heldByteCount: Int {
        arrived.capacity + (inbound?.capacity ?? 0) + outbound.capacity + muxrpc.outboxCapacity
    }

    /// The part of ``heldByteCount`` that has not come whole: of a frame or a packet more is to come.
    public var pendingByteCount: Int { arrived.partialCapacity + (inbound?.capacity ?? 0) }

    /// Whether a frame, or a message of the handshake, has begun to arrive, and not arrived whole.
    public var isWithinFrame: Bool { arrived.byteCount > 0 || inbound?.isAwaitingBody == true }

    /// Whether a whole message of the handshake is here, which ``next()`` will answer; that takes several key agreements.
    public var hasHandshakeMessage: Bool {
        guard phase == .handshake, let expected = handshake?.expectedByteCount else { return false }
        return arrived.byteCount >= expected
    }

    /// What arrived and was not taken by ``next()`` yet, in bytes; after a `nil`, less than one frame's header
    /// or body, unless a decision is awaited.
    public var inboundByteCount: Int { arrived.byteCount }

    /// What waits to be sent, in bytes.
    public var outboundByteCount: Int { outbound.byteCount + muxrpc.outboxByteCount }
}
