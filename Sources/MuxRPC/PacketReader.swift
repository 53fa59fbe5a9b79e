public import NIOCore

/// Cuts plaintext, which arrives in any pieces, into packets.
///
/// Call ``next(from:)`` until it answers `nil`: then the chunk is used up. A packet that lies whole in one chunk
/// is handed out as a slice of it, without a copy; pieces are collected, never more than has arrived.
public struct PacketReader: ~Copyable, Sendable {
    /// What was cut out.
    public enum Item: Equatable, Sendable {
        /// A packet within the limits; its body has the length that the header claims.
        case packet(PacketHeader, body: ByteBuffer)
        /// A packet whose body is longer than its kind may be. The body is skipped as it arrives, never stored.
        case oversized(PacketHeader)
        /// Nine zero bytes.
        case goodbye
    }

    private enum State {
        case header(ByteBuffer)
        case body(PacketHeader, ByteBuffer)
        case skipping(Int)
    }

    /// How long packets may be.
    public let limits: Limits
    private var state = State.header(ByteBuffer())

    /// A reader at the start of a packet.
    public init(limits: Limits = .default) { self.limits = limits }

    /// Whether the next byte is the first of a packet, so that the owner may handle a chunk that is exactly one
    /// packet by itself.
    public var isAtPacketBoundary: Bool {
        guard case .header(let collected) = state else { return false }
        return collected.readableBytes == 0
    }

    /// How many bytes of memory stand behind an unfinished packet, for tests of the bound.
    package var collectedCapacity: Int {
        switch state {
        case .header(let collected), .body(_, let collected): collected.capacity
        case .skipping: 0
        }
    }

    /// Takes bytes off the chunk until they complete an item, or until there are none left.
    public mutating func next(from chunk: inout ByteBuffer) -> Item? {
        while true {
            switch state {
            case .header(var collected):
                guard let header = Self.header(completing: &collected, from: &chunk) else {
                    state = .header(collected)
                    return nil
                }
                if let item = begin(header) { return item }
            case .body(let header, var collected):
                state = .header(ByteBuffer())  // leaves `collected` the only reference: no copy on write
                guard let body = Self.body(of: header, completing: &collected, from: &chunk) else {
                    state = .body(header, collected)
                    return nil
                }
                return .packet(header, body: body)
            case .skipping(let rest):
                let skipped = min(rest, chunk.readableBytes)
                chunk.moveReaderIndex(forwardBy: skipped)
                state = skipped == rest ? .header(ByteBuffer()) : .skipping(rest - skipped)
                guard skipped == rest else { return nil }
            }
        }
    }

    /// Meets the claimed length with its limit before anything is stored for it.
    private mutating func begin(_ header: PacketHeader) -> Item? {
        if header == .goodbye {
            state = .header(ByteBuffer())
            return .goodbye
        }
        let count = Int(header.bodyByteCount)
        guard count <= limits.bodyByteCount(for: header) else {
            state = .skipping(count)
            return .oversized(header)
        }
        state = .body(header, ByteBuffer())
        return nil
    }

    private static func header(
        completing collected: inout ByteBuffer, from chunk: inout ByteBuffer
    ) -> PacketHeader? {
        if collected.readableBytes == 0, let header = chunk.readPacketHeader() { return header }
        let missing = PacketHeader.byteCount - collected.readableBytes
        if var piece = chunk.readSlice(length: min(missing, chunk.readableBytes)) {
            collected.writeBuffer(&piece)
        }
        return collected.readPacketHeader()
    }

    private static func body(
        of header: PacketHeader, completing collected: inout ByteBuffer, from chunk: inout ByteBuffer
    ) -> ByteBuffer? {
        let missing = Int(header.bodyByteCount) - collected.readableBytes
        if collected.readableBytes == 0, let whole = chunk.readSlice(length: missing) { return whole }
        // Copied even when it is the first piece: a slice would keep the whole chunk alive.
        if var piece = chunk.readSlice(length: min(missing, chunk.readableBytes)) {
            collected.writeBuffer(&piece)
        }
        return collected.readableBytes == Int(header.bodyByteCount) ? collected : nil
    }
}
