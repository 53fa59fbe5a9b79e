public import NIOCore

/// Cuts plaintext, which arrives in any pieces, into packets.
///
/// Call ``next(from:)`` until it answers `nil`: then the chunk is used up. A packet that lies whole in one chunk
/// is handed out as a slice of it, without a copy; pieces are collected, never more than has arrived. A long binary
/// body of a stream comes out as several packets, as if its sender had cut it: bytes have no ends on a stream.
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

    /// How long a body may be.
    public enum BodyLimit: Equatable, Sendable {
        /// So many bytes.
        case bytes(Int)
        /// That depends on what the body begins with: its first ``PacketReader/beginningByteCount`` bytes.
        case dependsOnBeginning
    }

    private enum State {
        case header(ByteBuffer)
        /// A body whose limit is known, or one that has to begin before it is.
        case body(PacketHeader, ByteBuffer, isAllowed: Bool)
        case skipping(Int)
    }

    /// A binary body of a stream that is handed out in pieces.
    private struct LongBody {
        let header: PacketHeader
        let pieceByteCount: Int
        /// How much of it stands behind the piece that is at hand, in bytes.
        var followingByteCount: Int

        /// The header of the next piece, as if it had been sent alone.
        mutating func next() -> PacketHeader? {
            guard followingByteCount > 0 else { return nil }
            var piece = header
            piece.bodyByteCount = UInt32(min(followingByteCount, pieceByteCount))
            followingByteCount -= Int(piece.bodyByteCount)
            return piece
        }
    }

    /// How much of a body is looked at where its limit depends on what it calls, in bytes.
    public static let beginningByteCount = 256

    /// How long packets may be.
    public let limits: Limits
    /// How much may be kept of a packet that has not come whole, at the capacity of its buffer, in bytes.
    ///
    /// A packet that needs more is ``Item/oversized(_:)``, and ``hasExceededAllowance`` says why.
    package var allowance = Int.max
    /// Whether a packet was skipped because ``allowance`` was too small for it.
    package private(set) var hasExceededAllowance = false
    private var state = State.header(ByteBuffer())
    private var longBody: LongBody?

    /// A reader at the start of a packet.
    public init(limits: Limits = .default) { self.limits = limits }

    /// Whether the next byte is the first of a packet, so that the owner may handle a chunk that is exactly one
    /// packet by itself.
    package var isAtPacketBoundary: Bool {
        guard case .header(let collected) = state else { return false }
        return collected.readableBytes == 0
    }

    /// How many bytes of memory stand behind an unfinished packet.
    package var collectedCapacity: Int {
        switch state {
        case .header(let collected), .body(_, let collected, _): collected.storageCapacity
        case .skipping: 0
        }
    }

    /// Takes bytes off the chunk until they complete an item, or until there are none left.
    public mutating func next(from chunk: inout ByteBuffer) -> Item? {
        let limits = limits
        return next(from: &chunk) { header, _ in .bytes(limits.bodyByteCount(for: header)) }
    }

    /// Takes bytes off the chunk until they complete an item, or until there are none left.
    ///
    /// `limit` says how long a body may be, of which there is nothing yet; where that depends on how it begins, it is
    /// asked again with the beginning, or with all of a shorter body.
    public mutating func next(
        from chunk: inout ByteBuffer, limit: (PacketHeader, _ beginning: ByteBuffer?) -> BodyLimit
    ) -> Item? {
        while true {
            switch state {
            case .header(var collected):
                guard let header = Self.header(completing: &collected, from: &chunk) else {
                    state = .header(collected)
                    return nil
                }
                if let item = begin(header, limit: limit(header, nil)) { return item }
            case .body(let header, var collected, let isAllowed):
                state = .header(ByteBuffer())  // leaves `collected` the only reference: no copy on write
                if !isAllowed {
                    guard let beginning = Self.beginning(of: header, in: &collected, from: &chunk) else {
                        state = .body(header, collected, isAllowed: false)
                        return nil
                    }
                    let limit = limit(header, beginning)
                    guard limit != .dependsOnBeginning, Self.allows(header, limit) else {
                        return skip(header, but: collected.readableBytes)
                    }
                }
                guard mayCollect(of: header, behind: collected, from: chunk) else {
                    hasExceededAllowance = true
                    return skip(header, but: collected.readableBytes)
                }
                guard let body = Self.body(of: header, completing: &collected, from: &chunk) else {
                    state = .body(header, collected, isAllowed: true)
                    return nil
                }
                beginPiece()
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
    private mutating func begin(_ header: PacketHeader, limit: BodyLimit) -> Item? {
        if header == .goodbye {
            state = .header(ByteBuffer())
            return .goodbye
        }
        guard Self.allows(header, limit) else {
            longBody = longBody(header, limit)
            return beginPiece() ? nil : skip(header, but: 0)
        }
        state = .body(header, ByteBuffer(), isAllowed: limit != .dependsOnBeginning)
        return nil
    }

    private func longBody(_ header: PacketHeader, _ limit: BodyLimit) -> LongBody? {
        guard case .bytes(let pieceByteCount) = limit, pieceByteCount > 0, header.isStream, !header.isEnd,
            header.bodyType == .binary, Int(header.bodyByteCount) <= limits.cutBodyByteCount
        else { return nil }
        return LongBody(
            header: header, pieceByteCount: pieceByteCount, followingByteCount: Int(header.bodyByteCount))
    }

    /// Goes on with the next piece of a long body; whether there is one.
    @discardableResult
    private mutating func beginPiece() -> Bool {
        guard let piece = longBody?.next() else {
            longBody = nil
            return false
        }
        state = .body(piece, ByteBuffer(), isAllowed: true)
        return true
    }

    private static func allows(_ header: PacketHeader, _ limit: BodyLimit) -> Bool {
        guard case .bytes(let byteCount) = limit else { return true }
        return Int(header.bodyByteCount) <= byteCount
    }

    private mutating func skip(_ header: PacketHeader, but collectedByteCount: Int) -> Item {
        let followingByteCount = longBody?.followingByteCount ?? 0
        longBody = nil
        state = .skipping(Int(header.bodyByteCount) - collectedByteCount + followingByteCount)
        return .oversized(header)
    }

    /// Whether what the chunk brings of a body may be kept; what is handed out whole is not kept.
    private func mayCollect(
        of header: PacketHeader, behind collected: ByteBuffer, from chunk: ByteBuffer
    ) -> Bool {
        let missing = Int(header.bodyByteCount) - collected.readableBytes
        guard chunk.readableBytes < missing, allowance < .max else { return true }
        return ByteBuffer.capacity(for: collected.readableBytes + chunk.readableBytes) <= allowance
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

    /// How a body begins, once so much of it is there.
    private static func beginning(
        of header: PacketHeader, in collected: inout ByteBuffer, from chunk: inout ByteBuffer
    ) -> ByteBuffer? {
        let count = min(beginningByteCount, Int(header.bodyByteCount))
        if collected.readableBytes == 0, let whole = chunk.getSlice(at: chunk.readerIndex, length: count) {
            return whole
        }
        let missing = max(0, count - collected.readableBytes)
        if var piece = chunk.readSlice(length: min(missing, chunk.readableBytes)) {
            collected.writeBuffer(&piece)
        }
        return collected.getSlice(at: collected.readerIndex, length: count)
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

extension ByteBuffer {
    /// The memory that NIO's buffers take for so many bytes: the next power of two.
    package static func capacity(for byteCount: Int) -> Int {
        guard byteCount > 1 else { return byteCount }
        return 1 << (Int.bitWidth - (byteCount - 1).leadingZeroBitCount)
    }
}
