import BoxStream
import TestSupport
import Testing

@Suite("Opener")
struct OpenerTests {
    /// Three frames and the goodbye, with what stands in them.
    static func stream() throws -> (reference: Reference, frames: [[UInt8]], bodies: [[UInt8]]) {
        let start = Reference(seed: 10)
        var (reference, random) = (start, SeededRandom(seed: 11))
        let bodies = [5, 40, 1].map { random.bytes($0) }
        var frames: [[UInt8]] = []
        for body in bodies { frames.append(try reference.frame(body)) }
        return (start, frames + [try reference.goodbye()], bodies)
    }

    @Test("The same bodies, however the input is split")
    func everySplit() throws {
        let (reference, frames, bodies) = try Self.stream()
        let input = Array(frames.joined())
        for first in 0...input.count {
            for second in stride(from: first, through: input.count, by: 7) {
                var reader = try reference.reader()
                try reader.receive(input[..<first])
                try reader.receive(input[first..<second])
                try reader.receive(input[second...])
                try reader.finish()
                try #require(reader.bodies == bodies, "split at \(first) and \(second)")
            }
        }
        var reader = try reference.reader()
        for byte in input { try reader.receive([byte]) }
        try reader.finish()
        #expect(reader.bodies == bodies)
    }

    @Test("Input that ends before the goodbye is truncated, wherever it ends")
    func everyTruncation() throws {
        let (reference, frames, _) = try Self.stream()
        let input = Array(frames.joined())
        for byteCount in 0..<input.count {
            var reader = try reference.reader()
            try reader.receive(input.prefix(byteCount))
            #expect(throws: BoxStreamError.truncated) { try reader.finish() }
            #expect(throws: BoxStreamError.failed) { try reader.finish() }
        }
    }

    @Test("Any single flipped bit is refused and delivers nothing")
    func everyBitFlip() throws {
        let reference = Reference(seed: 12)
        var sealing = reference
        let frame = try sealing.frame(Array(0..<48))
        for bit in 0..<frame.count * 8 {
            var forged = frame
            forged[bit / 8] ^= 1 << UInt8(bit % 8)
            var reader = try reference.reader()
            #expect(throws: BoxStreamError.forged, "bit \(bit)") { try reader.receive(forged) }
            #expect(reader.bodies.isEmpty)
        }
    }

    @Test("A replayed, reordered or missing frame is refused")
    func order() throws {
        let (reference, frames, bodies) = try Self.stream()
        let orders: [(order: [Int], opened: Int)] = [
            ([0, 0], 1), ([1], 0), ([0, 2], 1), ([0, 1, 3], 2), ([0, 1, 1], 2), ([3], 0), ([2, 1, 0], 0),
        ]
        for (order, opened) in orders {
            var reader = try reference.reader()
            #expect(throws: BoxStreamError.forged, "order \(order)") {
                for index in order { try reader.receive(frames[index]) }
            }
            #expect(reader.bodies == Array(bodies.prefix(opened)))
        }
    }

    @Test("Another key's frame is refused")
    func otherKey() throws {
        var stranger = Reference(seed: 13)
        let reference = Reference(key: Reference(seed: 14).key, nonce: stranger.nonce)
        var reader = try reference.reader()
        let frame = try stranger.frame([1, 2, 3])
        #expect(throws: BoxStreamError.forged) { try reader.receive(frame) }
    }

    @Test("A genuine header must announce 1…4096 bytes", arguments: [4097, 4098, 32768, 65535])
    func overlength(_ length: Int) throws {
        let reference = Reference(seed: 15)
        let header = try reference.header(length: length, tag: [UInt8](repeating: 0, count: 16))
        var opener = try reference.opener()
        #expect(throws: BoxStreamError.overlength(length)) { _ = try opener.header(header) }
        #expect(opener.expectedByteCount == nil)
    }

    @Test("A genuine header of length zero is the goodbye only if its tag is zero too", arguments: 0..<16)
    func emptyBody(_ index: Int) throws {
        let reference = Reference(seed: 16)
        var tag = [UInt8](repeating: 0, count: 16)
        tag[index] = 1
        var opener = try reference.opener()
        let header = try reference.header(length: 0, tag: tag)
        #expect(throws: BoxStreamError.emptyBody) { _ = try opener.header(header) }
    }

    @Test("A length that the tag is zero for is not the goodbye")
    func zeroTag() throws {
        let reference = Reference(seed: 17)
        var opener = try reference.opener()
        let header = try opener.header(
            try reference.header(length: 1, tag: [UInt8](repeating: 0, count: 16)))
        #expect(header == .body(byteCount: 1))
        #expect(throws: BoxStreamError.forged) { try opener.verify([9]) }
    }

    @Test("Bytes behind the goodbye are refused, however few", arguments: [1, 2, 33, 34, 35, 100])
    func afterGoodbye(_ byteCount: Int) throws {
        let (reference, frames, bodies) = try Self.stream()
        let excess = [UInt8](repeating: 0, count: byteCount)
        var reader = try reference.reader()
        #expect(throws: BoxStreamError.afterGoodbye) {
            try reader.receive(frames.joined() + excess)
        }
        #expect(reader.bodies == bodies)
        #expect(throws: BoxStreamError.failed) { try reader.finish() }

        var late = try reference.reader()
        try late.receive(frames.joined())
        #expect(throws: BoxStreamError.afterGoodbye) { try late.receive(excess) }
    }

    @Test("A frame sealed behind the goodbye is refused")
    func frameAfterGoodbye() throws {
        var reference = Reference(seed: 18)
        var reader = try reference.reader()
        try reader.receive(try reference.goodbye())
        try reader.finish()
        reference.advance(by: 1)
        let frame = try reference.frame([1])
        #expect(throws: BoxStreamError.afterGoodbye) { try reader.receive(frame) }
    }

    @Test("What failed stays failed, also for genuine bytes")
    func staysFailed() throws {
        let (reference, frames, _) = try Self.stream()
        let (header, body) = (Array(frames[0].prefix(34)), Array(frames[0].dropFirst(34)))
        var opener = try reference.opener()
        #expect(throws: BoxStreamError.forged) { _ = try opener.header([UInt8](repeating: 0, count: 34)) }
        #expect(throws: BoxStreamError.failed) { _ = try opener.header(header) }
        #expect(throws: BoxStreamError.failed) { try opener.verify(body) }
        #expect(throws: BoxStreamError.failed) { try opener.finish() }
        #expect(opener.expectedByteCount == nil)

        var late = try reference.opener()
        _ = try late.header(header)
        #expect(throws: BoxStreamError.forged) { try late.verify(body.map(~)) }
        #expect(throws: BoxStreamError.failed) { try late.verify(body) }
        #expect(throws: BoxStreamError.failed) { _ = try late.header(Array(frames[1].prefix(34))) }
    }

    @Test("The prefix is the start of the body, and reading it changes nothing", arguments: 1...70)
    func prefix(_ byteCount: Int) throws {
        var reference = Reference(seed: 19)
        var random = SeededRandom(seed: 20)
        let body = random.bytes(byteCount)
        var opener = try reference.opener()
        let frame = try reference.frame(body)
        let cipher = Array(frame.dropFirst(34))
        #expect(opener.expectedByteCount == 34)
        _ = try opener.header(Array(frame.prefix(34)))
        #expect(opener.expectedByteCount == byteCount)
        try opener.verify(cipher)
        #expect(opener.start(of: cipher) == Array(body.prefix(32)))
        #expect(opener.start(of: cipher) == Array(body.prefix(32)))
        #expect(opener.open(cipher, behind: [1, 2, 3]) == [1, 2, 3] + body)
        #expect(opener.expectedByteCount == 34)
    }
}
