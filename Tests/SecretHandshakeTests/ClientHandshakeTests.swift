import SecretHandshake
import TestSupport
import Testing
import TypedSodium

@Suite("ClientHandshake")
struct ClientHandshakeTests {
    let meeting: Meeting

    init() throws { meeting = try Meeting(seed: 0xC11E) }

    @Test("asks for 64 bytes, then for 80, then for none")
    func byteCounts() throws {
        var client = try meeting.dialling()
        #expect(client.hello.count == 64)
        #expect(client.expectedByteCount == 64)
        #expect(try client.answer(meeting.serverHello).count == 112)
        #expect(client.expectedByteCount == 80)
        _ = try client.establish(meeting.accept)
        #expect(client.expectedByteCount == nil)
    }

    @Test("ends with the server's keys, mirrored")
    func keys() throws {
        var client = try meeting.proving()
        var server = try meeting.deciding()
        let own = try client.establish(meeting.accept)
        let acceptance = try server.accept()
        let outward = own.encryptKey.isEqual(to: acceptance.keys.decryptKey)
        let inward = own.decryptKey.isEqual(to: acceptance.keys.encryptKey)
        let isOneKey = own.encryptKey.isEqual(to: own.decryptKey)
        #expect(outward && inward && !isOneKey)
        #expect(own.encryptNonce == acceptance.keys.decryptNonce)
        #expect(own.decryptNonce == acceptance.keys.encryptNonce)
        #expect(own.peer == meeting.server.publicKey)
        #expect(acceptance.keys.peer == meeting.client.publicKey)
    }

    @Test("hands both directions over")
    func take() throws {
        var client = try meeting.proving()
        var other = try meeting.proving()
        let keys = try other.establish(meeting.accept)
        let areTheSame = try client.establish(meeting.accept)
            .take { encryptKey, encryptNonce, decryptKey, decryptNonce in
                encryptKey.isEqual(to: keys.encryptKey) && encryptNonce == keys.encryptNonce
                    && decryptKey.isEqual(to: keys.decryptKey) && decryptNonce == keys.decryptNonce
            }
        #expect(areTheSame)
    }

    @Test("refuses a message of another length", arguments: [0, 63, 65, 80, 112])
    func wrongByteCount(_ count: Int) throws {
        var client = try meeting.dialling()
        let message = [UInt8](repeating: 0, count: count)
        #expect(client.refusal(of: message) == .wrongByteCount(count, expected: 64))
        #expect(client.refusal(of: meeting.serverHello) == .alreadyFinished)
    }

    @Test("refuses a short or long accept", arguments: [0, 64, 79, 81])
    func wrongAcceptByteCount(_ count: Int) throws {
        var client = try meeting.proving()
        let message = [UInt8](repeating: 0, count: count)
        #expect(client.refusal(of: message) == .wrongByteCount(count, expected: 80))
        #expect(client.refusal(of: meeting.accept) == .alreadyFinished)
    }

    @Test("stays finished after the session")
    func finished() throws {
        var client = try meeting.proving()
        _ = try client.establish(meeting.accept)
        #expect(client.refusal(of: meeting.accept) == .alreadyFinished)
    }

    @Test("refuses a server of another network")
    func otherNetwork() throws {
        var client = try meeting.dialling(on: .scuttlebutt)
        #expect(client.refusal(of: meeting.serverHello) == .wrongNetwork)
    }

    @Test("gets nowhere with its own hello, sent back")
    func reflection() throws {
        var client = try meeting.dialling()
        let authenticate = try client.answer(client.hello)
        // Whoever sent it back knows no secret, so all that is left is to send something else back as well.
        #expect(client.refusal(of: Array(authenticate.prefix(80))) == .forged)
    }

    @Test("refuses an accept of another handshake")
    func otherHandshake() throws {
        var client = try meeting.proving()
        #expect(client.refusal(of: try Meeting(seed: 1).accept) == .forged)
    }

    @Test("does not dial a key of small order", arguments: [0, 0x80] as [UInt8])
    func lowOrderServer(_ topBit: UInt8) throws {
        for point in try LowOrderPoints.load() {
            var bytes = point.bytes
            bytes[31] ^= topBit
            let server = PublicKey(try FixedBytes(bytes))
            #expect(throws: HandshakeError.unusableIdentity) { _ = try meeting.dialling(to: server) }
        }
    }

    @Test("does not dial what is no point of the curve")
    func unconvertibleServer() throws {
        // y = 2 has no x on the curve: (y² − 1) / (dy² + 1) is no square.
        let server = PublicKey(try FixedBytes([2] + [UInt8](repeating: 0, count: 31)))
        #expect(throws: HandshakeError.unusableIdentity) { _ = try meeting.dialling(to: server) }
    }

    @Test("refuses an ephemeral key of small order", arguments: WeakEphemeralKeys.all)
    func weakEphemeralKey(_ key: Hex) throws {
        let hello = ServerHello(
            ephemeralKey: AgreementPublicKey(try key.fixed()), network: meeting.network)
        var client = try meeting.dialling()
        #expect(client.refusal(of: hello.bytes) == .weakKey)
        #expect(client.refusal(of: meeting.serverHello) == .alreadyFinished)
    }
}
