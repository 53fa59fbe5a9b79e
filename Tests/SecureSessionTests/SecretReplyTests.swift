import MuxRPC
import NIOCore
import SecureSession
import TestSupport
import Testing
import TypedSodium

@Suite("An answer that carries a secret")
struct SecretReplyTests {
    /// A session with a call to answer.
    private func asked() throws -> (Wire, RequestNumber, Request) {
        let wire = try Wire.open()
        let call = try wire.client.session.muxrpc.call(["whoami"], [])
        wire.run()
        return (wire, call, try #require(wire.server.takeTold().request))
    }

    @Test(
        "arrives as any other, in its place, however many frames it takes", arguments: [1, 4087, 4088, 9000])
    func arrives(byteCount: Int) throws {
        let (wire, call, request) = try asked()
        let json = byteCount == 1 ? "7" : "\"\(String(repeating: "s", count: byteCount - 2))\""
        let first = try wire.server.session.muxrpc.call(["whoami"], [])
        try wire.server.session.reply(to: request.number, withSecret: Array(json.utf8).span)
        wire.run()
        let told = wire.client.takeTold()
        #expect(told.count == 2 && told.request?.number == first)
        #expect(told.last == .session(.reply(call, .value(try JSONValue(parsing: ByteBuffer(string: json))))))
    }

    @Test("is given once, and only to a call that waits")
    func once() throws {
        let (wire, _, request) = try asked()
        try wire.server.session.reply(to: request.number, withSecret: [55].span)
        #expect(throws: MuxRPCError.notOpen(1)) {
            try wire.server.session.reply(to: request.number, withSecret: [55].span)
        }
        let (other, _, question) = try asked()
        let long = [UInt8](repeating: 55, count: (1 << 20) + 1)
        #expect(throws: MuxRPCError.bodyTooLong(long.count, limit: 1 << 20)) {
            try other.server.session.reply(to: question.number, withSecret: long.span)
        }
        other.server.session.close()
        #expect(throws: MuxRPCError.closed) {
            try other.server.session.reply(to: question.number, withSecret: [55].span)
        }
    }

    @Test("leaves no plaintext in memory but the caller's", arguments: [100, 10_000])
    func leavesNothing(byteCount: Int) throws {
        let (wire, _, request) = try asked()
        // Kept under a mask, and unmasked where it is used, so that it stands nowhere else.
        var random = SeededRandom(seed: UInt64(byteCount))
        let masked = random.bytes(byteCount)
        var json = masked.map { $0 ^ 0x5a }
        var needle = Array(json[40..<72])
        #expect(OwnMemory.count(of: needle) >= 1, "the caller's own is found")
        try wire.server.session.reply(to: request.number, withSecret: json.span)
        let sealed = wire.server.takeOutbound()
        #expect(sealed.count > byteCount)
        wipe(&json)
        #expect(OwnMemory.count(of: needle) == 0)
        wipe(&needle)
    }
}
