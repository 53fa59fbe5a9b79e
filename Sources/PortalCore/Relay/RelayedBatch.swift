internal import Account
internal import MuxRPC
internal import NIOCore
internal import SecureSession

/// Packets of one tunnel on their way from one connection to another, with the charge for what they cost in memory.
///
/// The charge is released when the last reference to the batch goes: when it is sealed for the socket, or dropped,
/// wherever it is then.
package struct RelayedBatch: QueuedBatch, Sendable {
    /// What a batch costs beside its bytes: the buffer's object, the charge, its places in a mailbox and a queue, and
    /// what the allocator adds to each.
    static let overheadByteCount = 448

    /// As how many bytes a packet counts at least in turns: opening and sealing it takes that much work.
    static let leastTurnByteCount = 512

    /// Batches up to that size join the one in front of them, in bytes: a copy costs less than what it saves.
    private static let smallByteCount = 2048

    var packets: PacketBatch
    private(set) var packetCount = 0
    var charge: Charge?

    /// An empty batch with room for that many bytes.
    init(capacity: Int) { packets = PacketBatch(capacity: capacity) }

    /// Opens the packet that a session has just announced, and with it those of its tunnel that follow at once and fit,
    /// until the batch counts as so many bytes in turns.
    mutating func open(from session: SecureSession, upTo turnByteCount: Int) {
        packetCount += session.openPackets(
            into: &packets,
            within: PacketBatch.Limit(
                byteCount: turnByteCount, packetCount: packetCount,
                leastPacketByteCount: Self.leastTurnByteCount))
    }

    /// Copies a packet.
    mutating func append(_ body: ByteBuffer, type: BodyType) {
        packets.append(body, type: type)
        packetCount += 1
    }

    /// What is charged for it, in bytes.
    package var heldByteCount: Int { charge?.count ?? costByteCount }

    /// What it is as a session sends it, in bytes: its packets and the heads of their boxes.
    package var wireByteCount: Int { packets.byteCount }

    /// As how many bytes it counts in turns.
    package var turnByteCount: Int { max(packets.byteCount, packetCount * Self.leastTurnByteCount) }

    /// Whether it had better join the batch in front of it.
    package var isSmall: Bool { packets.byteCount <= Self.smallByteCount }

    /// What it takes in memory, in bytes.
    var costByteCount: Int { packets.capacity + Self.overheadByteCount }

    /// Takes the next batch's packets in behind its own, where there is room and memory.
    package mutating func join(_ next: borrowing RelayedBatch) -> Bool {
        guard let charge,
            turnByteCount + next.turnByteCount <= OutboundQueues<RelayedBatch>.quantumByteCount
        else { return false }
        // A buffer grows to the next power of two; that has to be paid before it does.
        let byteCount = packets.byteCount + next.packets.byteCount
        if byteCount > packets.capacity {
            guard charge.change(to: Self.capacity(for: byteCount) + Self.overheadByteCount) else {
                return false
            }
        }
        packets.append(contentsOf: next.packets)
        packetCount += next.packetCount
        return true
    }

    /// What a buffer takes that has to hold so many bytes.
    private static func capacity(for byteCount: Int) -> Int {
        let bits = Int.bitWidth - (byteCount - 1).leadingZeroBitCount
        return 1 << bits
    }

    /// Gives back what it does not use where that is much more than what it does.
    mutating func shrinkIfWorth() {
        if packets.capacity > 1024, packets.capacity >= 4 * packets.byteCount { packets.shrink() }
    }

    /// The same packets in memory of their own, not charged yet: for sending them once more.
    func copied() -> RelayedBatch {
        var copy = RelayedBatch(capacity: packets.byteCount)
        copy.packets.append(contentsOf: packets)
        copy.packetCount = packetCount
        return copy
    }

    /// Takes the packets out, so that their buffer has one owner and can be sealed in place.
    mutating func takePackets() -> PacketBatch {
        var taken = PacketBatch(capacity: 0)
        swap(&taken, &packets)
        return taken
    }
}
