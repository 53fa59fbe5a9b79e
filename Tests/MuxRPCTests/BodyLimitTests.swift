import MuxRPC
import NIOCore
import TestSupport
import Testing

@Suite("What the body of a call may have")
struct BodyLimitTests {
    private static let manifest =
        (["tunnel.announce": .async, "tunnel.ping": .async, "echo": .duplex] as Manifest)
        .limitingBodies(to: 4096, ["tunnel.announce": 100_000])

    /// Reads bytes, cut into pieces, as a session does whose manifest limits bodies.
    private func read(
        _ bytes: [UInt8], pieceByteCount: Int = .max, allowance: Int = .max
    ) -> (items: [PacketReader.Item], greatestCapacity: Int, hasExceeded: Bool) {
        var reader = PacketReader()
        reader.allowance = allowance
        let session = RPCConnection(manifest: Self.manifest)
        var items: [PacketReader.Item] = []
        var greatest = 0
        var rest = bytes[...]
        while !rest.isEmpty {
            var chunk = ByteBuffer(bytes: rest.prefix(pieceByteCount))
            rest = rest.dropFirst(pieceByteCount)
            while let item = reader.next(from: &chunk, limit: { session.bodyLimit(for: $0, beginning: $1) }) {
                items.append(item)
            }
            greatest = max(greatest, reader.collectedCapacity)
        }
        return (items, greatest, reader.hasExceededAllowance)
    }

    private func call(_ name: String, byteCount: Int, nameLast: Bool = false) -> [UInt8] {
        let parts = name.split(separator: ".").map { "\"\($0)\"" }.joined(separator: ",")
        let frame = nameLast ? #"{"args":[""],"name":[\#(parts)]}"# : #"{"name":[\#(parts)],"args":[""]}"#
        let filler = String(repeating: "x", count: max(0, byteCount - frame.utf8.count))
        let text = frame.split(separator: "[\"\"]", maxSplits: 1).joined(separator: "[\"\(filler)\"]")
        return packet(0x02, 1, text)
    }

    @Test(
        "is what the method needs that it names first, whole or in pieces",
        arguments: [1, 7, 300, 4096, .max])
    func named(pieceByteCount: Int) {
        for (bytes, isAllowed) in [
            (call("tunnel.announce", byteCount: 100_000), true),
            (call("tunnel.announce", byteCount: 100_001), false),
            (call("tunnel.ping", byteCount: 4096), true), (call("tunnel.ping", byteCount: 4097), false),
            (call("tunnel.nothing", byteCount: 4096), true), (call("tunnel.nothing", byteCount: 4097), false),
            (call("tunnel.announce", byteCount: 4096, nameLast: true), true),
            (call("tunnel.announce", byteCount: 4097, nameLast: true), false),
        ] {
            let following = packet(0x02, 2, "{}")
            let read = read(bytes + following, pieceByteCount: pieceByteCount)
            #expect(read.items.count == 2, "what is skipped ends where the next packet begins")
            if case .packet(_, let body) = read.items.first {
                #expect(isAllowed && body.readableBytes == bytes.count - 9)
            } else {
                #expect(!isAllowed && read.greatestCapacity <= 512, "nothing of it is kept")
            }
        }
    }

    @Test("is little for an answer that nobody awaits, and for bytes of no stream")
    func unasked() {
        for (flags, number) in [(0x02, -5), (0x00, 7), (0x01, 7), (0x02, 0), (0x06, 9)] as [(UInt8, Int32)] {
            let body = [UInt8](repeating: 0x20, count: 4097)
            let read = read(packet(flags, number, body), pieceByteCount: 100)
            guard case .oversized = read.items.first else {
                Issue.record("\(flags) \(number) was kept")
                continue
            }
        }
    }

    @Test("may not come in pieces that take more than the allowance", arguments: [1, 100, 4096])
    func allowance(pieceByteCount: Int) {
        let bytes = packet(0x08, 1, [UInt8](repeating: 1, count: 60_000))
        let refused = read(bytes, pieceByteCount: pieceByteCount, allowance: 32 << 10)
        #expect(refused.hasExceeded && refused.greatestCapacity <= 32 << 10)
        let taken = read(bytes, pieceByteCount: pieceByteCount, allowance: 64 << 10)
        #expect(!taken.hasExceeded && taken.items.count == 1 && taken.greatestCapacity <= 64 << 10)
    }

    @Test("becomes few values for its length")
    func values() throws {
        let limit = JSONValue.valueLimit(ofBody: 4000)
        #expect(limit == 128 + 250)
        let many = "[" + Array(repeating: "[0]", count: 999).joined(separator: ",") + "]"
        #expect(throws: JSONError.self) { _ = try JSONValue(body: ByteBuffer(string: many)) }
        _ = try JSONValue(parsing: ByteBuffer(string: many))
        let token = "\"" + String(repeating: "A", count: 44) + "\""
        let tokens = "[" + Array(repeating: token, count: 12_288).joined(separator: ",") + "]"
        #expect(try JSONValue(body: ByteBuffer(string: tokens)).array?.count == 12_288)
    }

    @Test("counts what is answered, and not what is sent")
    func answered() throws {
        var session = RPCConnection(manifest: Self.manifest)
        let call = packet(0x02, 1, #"{"name":["tunnel","ping"],"args":[]}"#)
        var reader = PacketReader()
        var chunk = ByteBuffer(bytes: call + packet(0x02, 2, "{}"))
        while let item = reader.next(from: &chunk) { _ = session.receive(item) }
        let errorByteCount = session.answeredByteCount
        let outbox = session.outboxByteCount
        #expect(errorByteCount > 9 && errorByteCount == outbox)
        _ = try session.call(["tunnel", "ping"], [])
        let afterCall = session.answeredByteCount
        #expect(afterCall == errorByteCount)
    }
}
