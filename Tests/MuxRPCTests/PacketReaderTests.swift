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
        limits.cutBodyByteCount = 20
        return limits
    }()

    /// Every kind of item: whole, empty, as long as allowed, in pieces, too long, goodbye.
    static let sequence: [[UInt8]] = [
        packet(0x02, 1, "[1]"), packet(0x08, 1, "12345678"), packet(0x08, 1, ""),
        packet(0x08, 1, "123456789"), packet(0x08, -1, "12345678123456781234"),
        packet(0x08, 1, "123456781234567812345"), packet(0x09, 1, "123456789"), packet(0x0c, 1, "123456789"),
        packet(0x08, 1, "1234567812345678"), packet(0x0a, -1, "123456789"),
        packet(0x00, 2, "0123456789abcdef"),
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
        sequence.flatMap { bytes -> [PacketReader.Item] in
            var rest = ByteBuffer(bytes: bytes)
            guard let header = rest.readPacketHeader(), header != .goodbye else { return [.goodbye] }
            let limit = limits.bodyByteCount(for: header)
            guard rest.readableBytes > limit else { return [.packet(header, body: rest)] }
            guard header.flags == 0x08, rest.readableBytes <= limits.cutBodyByteCount else {
                return [.oversized(header)]
            }
            var pieces: [PacketReader.Item] = []
            while let piece = rest.readSlice(length: min(limit, max(rest.readableBytes, 1))) {
                var cut = header
                cut.bodyByteCount = UInt32(piece.readableBytes)
                pieces.append(.packet(cut, body: piece))
            }
            return pieces
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

    @Test("allows exactly 1 MiB of JSON and 64 KiB of stream's text, not a byte more")
    func limitsAreExact() {
        let cases: [(flags: UInt8, count: Int, isAllowed: Bool)] = [
            (0x02, 1 << 20, true), (0x02, 1 << 20 + 1, false), (0x0a, 1 << 20, true),
            (0x08, 64 << 10, true), (0x08, 1 << 20 + 1, false), (0x09, 64 << 10 + 1, false),
            (0x0c, 64 << 10 + 1, false), (0x09, 64 << 10, true),
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

    @Test("hands a long body of a stream out in pieces of 64 KiB, and keeps no more of it at a time")
    func longBody() {
        var reader = PacketReader()
        var bytes: [UInt8] = []
        for byteCount in [1 << 20, 64 << 10 + 1, 3] {
            bytes += packet(0x08, -7, [UInt8](repeating: UInt8(byteCount & 3), count: byteCount))
        }
        var lengths: [Int] = []
        var greatest = 0
        for start in stride(from: 0, to: bytes.count, by: 1000) {
            var chunk = ByteBuffer(bytes: bytes[start..<min(start + 1000, bytes.count)])
            while let item = reader.next(from: &chunk) {
                guard case .packet(let header, let body) = item, header.requestNumber == -7 else {
                    Issue.record("\(item)")
                    return
                }
                #expect(Int(header.bodyByteCount) == body.readableBytes)
                lengths.append(body.readableBytes)
            }
            greatest = max(greatest, reader.collectedCapacity)
        }
        #expect(lengths == [Int](repeating: 64 << 10, count: 17) + [1, 3])
        #expect(greatest <= 64 << 10)
        let isBetween = reader.isAtPacketBoundary
        #expect(isBetween)
    }

    @Test("skips all of a long body of which a piece is beyond the allowance")
    func longBodyBeyondAllowance() {
        var reader = PacketReader()
        reader.allowance = 16 << 10
        let bytes = packet(0x08, -7, [UInt8](repeating: 1, count: 200_000)) + packet(0x08, -7, [9])
        var items: [PacketReader.Item] = []
        for start in stride(from: 0, to: bytes.count, by: 4096) {
            var chunk = ByteBuffer(bytes: bytes[start..<min(start + 4096, bytes.count)])
            while let item = reader.next(from: &chunk) { items.append(item) }
            #expect(reader.collectedCapacity <= 16 << 10)
        }
        let hasExceeded = reader.hasExceededAllowance
        #expect(hasExceeded && items.count == 2)
        guard case .oversized? = items.first, case .packet(_, let body)? = items.last else {
            Issue.record("\(items.count) items")
            return
        }
        #expect(body == ByteBuffer(bytes: [9]))
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
