import BoxStream
import TestSupport
import Testing

@Suite("Equality with crypto_secretbox")
struct EqualityTests {
    /// Bodies are cut from here at random places: drawing each byte anew takes most of a test's time.
    static let pool: [UInt8] = {
        var random = SeededRandom(seed: 2)
        return random.bytes(3 * BoxFrame.maximumBodyByteCount)
    }()

    static func body(_ byteCount: Int, using random: inout SeededRandom) -> [UInt8] {
        let start = Int.random(in: 0...(pool.count - byteCount), using: &random)
        return Array(pool[start..<start + byteCount])
    }

    /// Nonces before, at and behind each carry that matters.
    static let nonces: [[UInt8]] = [
        [UInt8](repeating: 0, count: 24),
        [UInt8](repeating: 0xFF, count: 23) + [0xFD],
        [UInt8](repeating: 0xFF, count: 24),
        [UInt8](repeating: 7, count: 16) + [UInt8](repeating: 0xFF, count: 7) + [0xFC],
        [UInt8](repeating: 7, count: 16) + [UInt8](repeating: 0xFF, count: 7) + [0xFD],
        [UInt8](repeating: 7, count: 16) + [UInt8](repeating: 0xFF, count: 8),
        [UInt8](repeating: 7, count: 13) + [UInt8](repeating: 0xFF, count: 11),
        [UInt8](repeating: 7, count: 20) + [UInt8](repeating: 0xFF, count: 4),
    ]

    @Test("Every length, in one stream per direction: 10^5 frames in all", arguments: 0..<25 as Range<UInt64>)
    func everyLength(_ seed: UInt64) throws {
        var random = SeededRandom(seed: 100 + seed)
        var reference = Reference(seed: 200 + seed)
        var sealer = try reference.sealer()
        var opener = try reference.opener()
        for byteCount in (1...BoxFrame.maximumBodyByteCount).shuffled(using: &random) {
            let body = Self.body(byteCount, using: &random)
            let expected = try reference.frame(body)
            try #require(sealer.frame(body) == expected, "sealing \(byteCount) bytes")

            let header = try opener.header(Array(expected.prefix(34)))
            try #require(header == .body(byteCount: byteCount))
            let opened = try opener.body(Array(expected.dropFirst(34)))
            try #require(opened == body, "opening \(byteCount) bytes")
        }
        #expect(sealer.goodbye() == (try reference.goodbye()))
    }

    @Test("Nonces that carry into the first sixteen bytes, or wrap", arguments: nonces)
    func carries(_ nonce: [UInt8]) throws {
        var random = SeededRandom(seed: 5)
        var reference = Reference(key: random.bytes(32), nonce: nonce)
        var sealer = try reference.sealer()
        var reader = try reference.reader()
        for byteCount in [1, 33, 600, 4096] {
            let body = Self.body(byteCount, using: &random)
            let expected = try reference.frame(body)
            #expect(sealer.frame(body) == expected)
            try reader.receive(expected)
            #expect(reader.bodies.last == body)
        }
        let goodbye = try reference.goodbye()
        #expect(sealer.goodbye() == goodbye)
        try reader.receive(goodbye)
        try reader.finish()
    }

    @Test("A frame is all that a seal writes to")
    func nothingBehindIsTouched() throws {
        var random = SeededRandom(seed: 6)
        var reference = Reference(seed: 7)
        var sealer = try reference.sealer()
        let lengths = [1, 64, 96, 97, 480, 481, 512, 608, 609, 863, 1400, 3000, 4053, 4095, 4096]
        for byteCount in lengths + (0..<20).map({ _ in Int.random(in: 1...4096, using: &random) }) {
            let body = Self.body(byteCount, using: &random)
            let behind = Self.body(600, using: &random)
            var memory = [UInt8](repeating: 0, count: 34) + body + behind
            unsafe memory.withUnsafeMutableBytes { bytes in
                guard let start = bytes.baseAddress else { return }
                unsafe sealer.seal(frame: start, bodyByteCount: byteCount)
            }
            #expect(memory == (try reference.frame(body)) + behind, "\(byteCount) bytes")
        }
    }

    @Test(
        "Opens in place, apart and across an overlap", arguments: [1, 31, 32, 33, 64, 160, 600, 4053, 4096])
    func overlaps(_ byteCount: Int) throws {
        var random = SeededRandom(seed: 8)
        var reference = Reference(seed: 9)
        var opener = try reference.opener()
        let room = 5000
        for distance in [0, 1, -1, 16, -16, 34, -34, 33, -33, 511, -511, byteCount, -byteCount, 4500, -4500] {
            let body = Self.body(byteCount, using: &random)
            let frame = try reference.frame(body)
            _ = try opener.header(Array(frame.prefix(34)))
            try opener.verify(Array(frame.dropFirst(34)))
            var memory = [UInt8](repeating: 0x5A, count: 3 * room)
            memory.replaceSubrange(room..<room + byteCount, with: frame.dropFirst(34))
            var expected = memory
            expected.replaceSubrange(room + distance..<room + distance + byteCount, with: body)
            unsafe memory.withUnsafeMutableBytes { bytes in
                guard let start = bytes.baseAddress else { return }
                let source = unsafe start + room
                unsafe opener.open(source, byteCount: byteCount, into: source + distance)
            }
            #expect(memory == expected, "\(byteCount) bytes, moved by \(distance)")
        }
    }
}
