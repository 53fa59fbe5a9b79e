package import NIOCore

/// Which streams of a node's connection have something to send, and whose turn it is.
///
/// What is sealed is in its order for good. So a stream's bytes wait unsealed with the stream until the socket takes more,
/// and then each gets a turn. One that had nothing waiting goes first with its first bytes, as in fq_codel (RFC 8290), which
/// is what a keystroke needs; the others get a turn at the latest when such streams have sent a turn's worth.
package struct OutboundTurns {
    /// What a stream sends in a turn, in bytes, while others wait: 6 ms on a line of 20 Mbit/s.
    package static let turnByteCount = 16 << 10
    /// The most that it sends while none does.
    package static let loneTurnByteCount = 256 << 10
    /// How long the line may be busy with a lone stream's turn.
    package static let loneTurnTime = TimeAmount.milliseconds(2)
    /// Below how many sealed bytes a stream with none in front of it sends at once.
    static let aheadByteCount = 16 << 10

    private var sparse = CircularBuffer<StreamKey>()
    private var ring = CircularBuffer<StreamKey>()
    private var members: Set<StreamKey> = []
    /// What sparse streams have sent since one of the ring had its turn, in bytes.
    private var sparseByteCount = 0
    private var isSparseTurn = false
    /// What a lone stream sends in a turn, as the line was in its last turns: each costs something, however short.
    package private(set) var loneByteCount = turnByteCount
    private var lastTurn = NIODeadline.uptimeNanoseconds(0)

    package init() {}

    /// Whether none waits.
    package var isEmpty: Bool { members.isEmpty }

    /// Whether a stream waits.
    package func contains(_ stream: StreamKey) -> Bool { members.contains(stream) }

    /// A stream has something to send: behind the others, or in front where it had nothing before, and has little.
    package mutating func wait(_ stream: StreamKey, isSparse: Bool) {
        guard members.insert(stream).inserted else { return }
        if isSparse { sparse.append(stream) } else { ring.append(stream) }
    }

    /// The next one, and how much it may send; it waits again with ``wait(_:isSparse:)`` where it has more.
    package mutating func next(at now: NIODeadline) -> (stream: StreamKey, byteCount: Int)? {
        isSparseTurn = !sparse.isEmpty && (sparseByteCount < Self.turnByteCount || ring.isEmpty)
        guard let stream = isSparseTurn ? sparse.popFirst() : ring.popFirst() else { return nil }
        members.remove(stream)
        guard !isSparseTurn else { return (stream, Self.turnByteCount) }
        sparseByteCount = 0
        let isFast = now - lastTurn <= Self.loneTurnTime
        loneByteCount = isFast ? min(2 * loneByteCount, Self.loneTurnByteCount) : Self.turnByteCount
        lastTurn = now
        return (stream, members.isEmpty ? loneByteCount : Self.turnByteCount)
    }

    /// The stream whose turn it was has sent so much.
    package mutating func sent(_ byteCount: Int) {
        if isSparseTurn { sparseByteCount += byteCount }
    }
}
