import MuxRPC
import NIOCore
import TestSupport
import Testing

@Suite("A session under random packets")
struct FuzzTests {
    static let limits: Limits = {
        var limits = Limits()
        limits.openRequestCount = 8
        return limits
    }()

    static let bodies = [
        "", "true", "false", "null", "{", "[]", "x", #"{"message":"m","name":"Error","stack":""}"#,
        #"{"credit":5}"#,
        #"{"name":["whoami"],"args":[]}"#, #"{"name":["whoami"],"args":[],"type":"sync"}"#,
        #"{"name":"manifest","args":[]}"#, #"{"name":["tunnel","connect"],"args":[{}],"type":"duplex"}"#,
        #"{"name":["tunnel","endpoints"],"args":[],"type":"source"}"#,
        #"{"name":["no"],"args":[],"type":"sink"}"#,
        #"{"name":["blob","put"],"args":[],"type":"sink"}"#, #"{"name":[],"args":{}}"#,
    ]

    /// What a session did so far, checked as it goes: every event must make sense, every packet be one to send.
    final class Witness {
        let session = TestedSession(limits: limits)
        private var waiting: Set<RequestNumber> = []
        private var calls: Set<RequestNumber> = []
        private var streams: Set<StreamID> = []
        private var seen: Set<Int32> = []

        func receive(_ bytes: [UInt8]) {
            var rest = ByteBuffer(bytes: bytes)
            while let header = rest.readPacketHeader(),
                let body = rest.readSlice(length: Int(header.bodyByteCount))
            {
                seen.insert(header.requestNumber)
                if let event = session.receive(.packet(header, body: body)) { check(event) }
                checkSent()
            }
        }

        private func check(_ event: RPCEvent) {
            switch event {
            case .request(let request):
                if request.kind == .async {
                    #expect(waiting.insert(request.number).inserted)
                } else {
                    #expect(streams.insert(request.stream).inserted)
                }
            case .reply(let number, _): #expect(calls.remove(number) != nil)
            case .lateFailure(let number, _): #expect(!calls.contains(number))
            case .data(let stream, _, let body): #expect(streams.contains(stream) && body.readableBytes > 0)
            case .ended(let stream, _): #expect(streams.remove(stream) != nil && !session.isOpen(stream))
            case .goodbye: Issue.record("no goodbye was sent")
            }
            #expect(session.openRequestCount == waiting.count + calls.count + streams.count)
            #expect(session.openRequestCount <= 2 * limits.openRequestCount)
        }

        private func checkSent() {
            for packet in session.sent() {
                #expect(!packet.text.isEmpty)
                // An answer to a number that the peer has used, or a packet of our own.
                #expect(packet.number > 0 || seen.contains(-packet.number))
            }
        }

        /// Does something that an owner may do.
        func act(using random: inout SeededRandom) {
            switch Int.random(in: 0..<7, using: &random) {
            case 0: if let call = try? session.call(["x"], []) { calls.insert(call) }
            case 1: if let stream = try? session.open(.duplex, ["x"], []) { streams.insert(stream) }
            case 2:
                if let call = waiting.randomElement(using: &random) {
                    waiting.remove(call)
                    #expect(throws: Never.self) { try session.reply(to: call, with: true) }
                }
            case 3:
                if let call = waiting.randomElement(using: &random) {
                    waiting.remove(call)
                    session.fail(call, message: "m")
                }
            case 4:
                if let stream = streams.randomElement(using: &random) {
                    streams.remove(stream)
                    session.end(stream)
                }
            case 5:
                if let stream = streams.randomElement(using: &random) {
                    #expect(throws: Never.self) { try session.send([1], on: stream) }
                }
            default:
                if let stream = streams.randomElement(using: &random) {
                    streams.remove(stream)
                    session.fail(stream, message: "m")
                }
            }
            checkSent()
        }
    }

    @Test("makes sense of any order of plausible packets", arguments: 0..<16)
    func plausible(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let witness = Witness()
        for _ in 0..<2000 {
            let isExtreme = UInt8.random(in: 0..<16, using: &random) == 0
            let number: Int32 =
                isExtreme
                ? [.min, .max, -.max, 0].randomElement(using: &random) ?? 0
                : Int32.random(in: -24...24, using: &random)
            let flags = [0x02, 0x0a, 0x08, 0x0e, UInt8.random(in: 0...255, using: &random)].randomElement(
                using: &random)
            let body = Self.bodies.randomElement(using: &random) ?? ""
            let bytes = packet(flags ?? 0, number, body)
            if decodedHeader(bytes) != .goodbye { witness.receive(bytes) }
            witness.act(using: &random)
        }
    }

    @Test("takes mutated recordings in random pieces", arguments: 0..<8)
    func mutated(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var bytes = try Trace("probe-of-room-portal.txt").chunks.filter(\.isReceived).flatMap(\.bytes)
        for _ in 0..<200 {
            bytes[Int.random(in: 0..<bytes.count, using: &random)] ^=
                1 << UInt8.random(in: 0..<8, using: &random)
        }
        try run(bytes, using: &random)
    }

    @Test("takes random bytes", arguments: 0..<8)
    func noise(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        // Mostly zeros, so that lengths are small and many packets come of it.
        let bytes = random.bytes(20_000).map { $0 < 160 ? 0 : $0 & 15 }
        try run(bytes, using: &random)
    }

    /// Feeds the bytes until the goodbye; what is held stays within what was given.
    private func run(_ bytes: [UInt8], using random: inout SeededRandom) throws {
        let session = TestedSession(limits: Self.limits)
        _ = try session.call(["x"], [])
        _ = try session.open(.duplex, ["x"], [])
        var reader = PacketReader(limits: Self.limits)
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(Int.random(in: 1...300, using: &random))
            rest = rest.dropFirst(piece.count)
            var chunk = ByteBuffer(bytes: piece)
            while let item = reader.next(from: &chunk) { _ = session.receive(item) }
            let capacity = reader.collectedCapacity
            #expect(capacity <= 2 * max(bytes.count, 1024))
            #expect(session.openRequestCount <= 2 * Self.limits.openRequestCount)
            for packet in session.sent() { #expect(!packet.text.isEmpty) }
        }
    }
}
