internal import MuxRPC
internal import NIOCore

/// How much another machine may send of one tunnel before its receiver has taken some of it.
///
/// All sizes are those of packets as sessions send them, the heads of their boxes included, so that both machines count
/// the same however the packets were cut before. The window grows while a flow uses it up quickly, so that a long way
/// between two machines is filled, and a receiver that is slow has little waiting.
///
/// JSON cannot be cut on its way: a packet that is longer than half of the first window may be sent where that half is
/// left, and the sender then owes the rest. So long are only those of an endpoint; a client's have 64 KiB at most.
///
/// ### Invariants
/// - What the sender may still send is the window, less what has come and was not granted again.
struct ReceiveWindow {
    /// What may be sent at first, in bytes.
    static let firstByteCount = 256 << 10
    /// What is to be left for a packet that is longer than that, in bytes; less is never left where all was taken.
    static let longPacketByteCount = firstByteCount / 2
    /// What the longest packet is at most, in bytes: 1 MiB, and what frames it.
    private static let packetByteCount = (1 << 20) + (64 << 10)
    /// What may be under way at most, in bytes.
    static let mostByteCount = 4 << 20
    /// A window that is used up within that time is too small.
    private static let growthTime = TimeAmount.milliseconds(500)

    private(set) var byteCount = firstByteCount
    /// What has come and was not granted again, in bytes.
    private(set) var heldByteCount = 0
    private var passedByteCount = 0
    private var begunAt: NIODeadline
    private let takesLongPackets: Bool

    init(takesLongPackets: Bool, at now: NIODeadline) {
        (self.takesLongPackets, begunAt) = (takesLongPackets, now)
    }

    /// Bytes have come; whether they were granted, or a long packet's that the sender owes.
    mutating func receive(_ byteCount: Int) -> Bool {
        heldByteCount += byteCount
        return heldByteCount <= self.byteCount + (takesLongPackets ? Self.packetByteCount : 0)
    }

    /// The receiver has taken bytes; how many are granted for them.
    ///
    /// The window only grows where it `mayGrow`.
    mutating func drained(_ byteCount: Int, mayGrow: Bool, at now: NIODeadline) -> Int {
        heldByteCount -= byteCount
        passedByteCount += byteCount
        guard passedByteCount >= self.byteCount else { return byteCount }
        let isTooSmall = now - begunAt < Self.growthTime && self.byteCount < Self.mostByteCount
        passedByteCount = 0
        begunAt = now
        guard isTooSmall, mayGrow else { return byteCount }
        defer { self.byteCount *= 2 }
        return byteCount + self.byteCount
    }
}

/// The stream `cluster.flow` of a session: what either machine grants to the tunnels on it, as frames of eight bytes.
///
/// A frame is the number of the tunnel's stream as its opener has it, 4 bytes, and how many bytes more may be sent on it,
/// 4 bytes, both big-endian. Packets of the stream may be cut anywhere.
struct LinkFlow {
    private static let frameByteCount = 8

    /// The stream.
    let stream: StreamID
    private let isDialler: Bool
    private var arrived = ByteBuffer()
    private var waiting = ByteBuffer()

    init(on stream: StreamID, isDialler: Bool) {
        self.stream = stream
        self.isDialler = isDialler
    }

    /// Takes what came on the stream, which may end within a frame.
    mutating func receive(_ bytes: ByteBuffer) { arrived.writeImmutableBuffer(bytes) }

    /// The next grant that has come.
    mutating func next() -> (stream: StreamID, byteCount: Int)? {
        guard arrived.readableBytes >= Self.frameByteCount, let number = arrived.readInteger(as: Int32.self),
            let byteCount = arrived.readInteger(as: UInt32.self)
        else {
            arrived.discardReadBytes()
            return nil
        }
        return (StreamID(sentNumber: isDialler ? number : 0 &- number), Int(byteCount))
    }

    /// Grants bytes on the stream of a tunnel.
    mutating func grant(_ byteCount: Int, on stream: StreamID) {
        waiting.writeInteger(stream.openerNumber)
        waiting.writeInteger(UInt32(clamping: byteCount))
    }

    /// What is to be sent on the stream, in front of everything else.
    mutating func take() -> ByteBuffer? {
        guard waiting.readableBytes > 0 else { return nil }
        defer { waiting = ByteBuffer() }
        return waiting
    }
}
