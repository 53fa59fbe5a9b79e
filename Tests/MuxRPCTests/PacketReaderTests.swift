import MuxRPC
import NIOCore
import TestSupport
import Testing

@Suite("PacketReader")
struct PacketReaderTests {
    static let limits: Limits = {
        var limits = Limits()
        limits.streamBodyByteCount = 8
        limits.jsonBodyByteCount = 16
        return limits
    }()

    /// Every kind of item: whole, empty, as long as allowed, too long, goodbye.
    static let sequence: [[UInt8]] = [
        packet(0x02, 1, "[1]"), packet(0x08, 1, "12345678"), packet(0x08, 1, ""),
        packet(0x08, 1, "123456789"), packet(0x0a, -1, "123456789"), packet(0x00, 2, "0123456789abcdef"),
        packet(0x02, 2, "0123456789abcdefg"), packet(0, 0, ""), packet(0, 0, "x"),
    ]

    static func items(_ chunks: [[UInt8]]) -> [PacketReader.Item] {
        var reader = PacketReader(limits: limits)
        var items: [PacketReader.Item] = []
        for bytes in chunks {
            var chunk = ByteBuffer(bytes: bytes)
            while let item = reader.next(from: &chunk) { items.append(item) }
            #expect(chunk.readableBytes == 0)
        }
        let isBetween = reader.isAtPacketBoundary
        #expect(isBetween)
        return items
    }

    static var expected: [PacketReader.Item] {
        sequence.map { bytes in
            var rest = ByteBuffer(bytes: bytes)
            guard let header = rest.readPacketHeader(), header != .goodbye else { return .goodbye }
            let isTooLong = rest.readableBytes > limits.bodyByteCount(for: header)
            return isTooLong ? .oversized(header) : .packet(header, body: rest)
        }
    }

    @Test("finds the same packets however the bytes are split in two")
    func everySplit() {
        let bytes = Array(Self.sequence.joined())
        for cut in 0...bytes.count {
            #expect(Self.items([Array(bytes[..<cut]), Array(bytes[cut...])]) == Self.expected)
        }
    }

    @Test("finds the same packets in single bytes, in packets and in random pieces")
    func manyPieces() {
        let bytes = Array(Self.sequence.joined())
        #expect(Self.items(bytes.map { [$0] }) == Self.expected)
        #expect(Self.items(Self.sequence) == Self.expected)
        var random = SeededRandom(seed: 4)
        for _ in 0..<200 {
            var pieces: [[UInt8]] = []
            var rest = bytes[...]
            while !rest.isEmpty {
                let piece = rest.prefix(Int.random(in: 0...20, using: &random))
                pieces.append(Array(piece))
                rest = rest.dropFirst(piece.count)
            }
            #expect(Self.items(pieces) == Self.expected)
        }
    }

    @Test("tells what is too long at once, and stores nothing of it")
    func oversized() throws {
        var reader = PacketReader()
        var chunk = ByteBuffer(bytes: Hex("02ffffffff00000001").bytes)
        let item = reader.next(from: &chunk)
        let header = try #require(decodedHeader(Hex("02ffffffff00000001").bytes))
        #expect(item == .oversized(header))
        let isBetween = reader.isAtPacketBoundary
        #expect(!isBetween)
        var filler = ByteBuffer(repeating: 0, count: 1 << 20)
        #expect(reader.next(from: &filler) == nil)
        #expect(filler.readableBytes == 0)
    }

    @Test("allows exactly 1 MiB of JSON and 64 KiB of stream, not a byte more")
    func limitsAreExact() {
        let cases: [(flags: UInt8, count: Int, isAllowed: Bool)] = [
            (0x02, 1 << 20, true), (0x02, 1 << 20 + 1, false), (0x0a, 1 << 20, true),
            (0x08, 64 << 10, true), (0x08, 64 << 10 + 1, false), (0x09, 64 << 10 + 1, false),
            (0x0e, 1 << 20, true), (0x00, 1 << 20, true), (0x0b, 64 << 10 + 1, false),
        ]
        for (flags, count, isAllowed) in cases {
            var reader = PacketReader()
            var chunk = ByteBuffer(bytes: packet(flags, 1, [UInt8](repeating: 0x20, count: count)))
            switch reader.next(from: &chunk) {
            case .packet(_, let body): #expect(isAllowed && body.readableBytes == count)
            case .oversized: #expect(!isAllowed)
            case .goodbye, nil: Issue.record("no packet of \(count) bytes")
            }
            #expect(reader.next(from: &chunk) == nil)
            let isBetween = reader.isAtPacketBoundary
            #expect(isBetween)
        }
    }

    @Test("hands a packet that lies whole in its chunk out as a slice of it")
    func slices() {
        var reader = PacketReader()
        var chunk = ByteBuffer(bytes: packet(0x08, 1, "hello") + packet(0x08, 1, "world"))
        let start = chunk.storageAddress
        for offset: UInt in [9, 9 + 5 + 9] {
            guard case .packet(_, let body) = reader.next(from: &chunk) else {
                Issue.record("no packet")
                return
            }
            #expect(body.storageAddress == start + offset)
        }
    }

    @Test("collects a long body in memory for what has arrived, not for what was claimed")
    func collectsGradually() {
        var reader = PacketReader()
        var bytes = packet(0x02, 1, [UInt8](repeating: 0x20, count: 1 << 20))[...]
        while bytes.count > 1000 {
            var chunk = ByteBuffer(bytes: bytes.prefix(1000))
            bytes = bytes.dropFirst(1000)
            #expect(reader.next(from: &chunk) == nil)
            let arrived = (1 << 20) + 9 - bytes.count
            let capacity = reader.collectedCapacity
            #expect(capacity <= 2 * max(arrived, 1024))
        }
        var last = ByteBuffer(bytes: bytes)
        guard case .packet(_, let body) = reader.next(from: &last) else {
            Issue.record("no packet")
            return
        }
        #expect(body.readableBytes == 1 << 20)
    }
}

extension ByteBuffer {
    /// Where the storage lies, to tell slices from copies.
    fileprivate var storageAddress: UInt {
        unsafe withVeryUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
    }
}
