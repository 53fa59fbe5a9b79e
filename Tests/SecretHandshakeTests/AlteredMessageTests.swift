import SecretHandshake
import TestSupport
import Testing

/// A single flipped bit anywhere ends the handshake, on the side that receives it.
@Suite("Altered messages")
struct AlteredMessageTests {
    let meeting: Meeting

    init() throws { meeting = try Meeting(seed: 0xA17E) }

    @Test("a client's hello")
    func clientHello() throws {
        try forEachFlippedBit(of: meeting.hello) { message in
            var server = try meeting.listening()
            #expect(server.refusal(of: message) == .wrongNetwork)
            #expect(server.expectedByteCount == nil)
        }
    }

    @Test("a server's hello")
    func serverHello() throws {
        try forEachFlippedBit(of: meeting.serverHello) { message in
            var client = try meeting.dialling()
            #expect(client.refusal(of: message) == .wrongNetwork)
            #expect(client.expectedByteCount == nil)
        }
    }

    @Test("a client's authenticate")
    func authenticate() throws {
        try forEachFlippedBit(of: meeting.authenticate) { message in
            var server = try meeting.answering()
            #expect(server.refusal(of: message) == .forged)
            #expect(server.expectedByteCount == nil)
        }
    }

    @Test("a server's accept")
    func accept() throws {
        try forEachFlippedBit(of: meeting.accept) { message in
            var client = try meeting.proving()
            #expect(client.refusal(of: message) == .forged)
            #expect(client.expectedByteCount == nil)
        }
    }

    @Test("random bytes in a message's place", arguments: [1, 2, 3] as [UInt64])
    func noise(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var client = try meeting.dialling()
        var server = try meeting.listening()
        #expect(client.refusal(of: random.bytes(64)) == .wrongNetwork)
        #expect(server.refusal(of: random.bytes(64)) == .wrongNetwork)
        client = try meeting.proving()
        server = try meeting.answering()
        #expect(client.refusal(of: random.bytes(80)) == .forged)
        #expect(server.refusal(of: random.bytes(112)) == .forged)
    }

    private func forEachFlippedBit(of message: [UInt8], _ body: ([UInt8]) throws -> Void) throws {
        for bit in 0..<message.count * 8 {
            var altered = message
            altered[bit / 8] ^= 1 << (bit % 8)
            try body(altered)
        }
    }
}
