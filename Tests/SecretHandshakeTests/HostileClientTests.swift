import SecretHandshake
import TestSupport
import Testing
import TypedSodium

/// Clients that know the protocol and use keys and signatures nobody should take.
@Suite("Hostile clients")
struct HostileClientTests {
    let meeting: Meeting

    init() throws { meeting = try Meeting(seed: 0xBAD) }

    @Test(
        "an ephemeral key of small order is refused before it is answered", arguments: WeakEphemeralKeys.all)
    func weakEphemeralKey(_ key: Hex) throws {
        let hello = ClientHello(
            ephemeralKey: AgreementPublicKey(try key.fixed()), network: meeting.network)
        var server = try meeting.listening()
        #expect(server.refusal(of: hello.bytes) == .weakKey)
        #expect(server.refusal(of: meeting.hello) == .alreadyFinished)
    }

    @Test("a key of small order is refused, with signatures of which a lax verifier accepts some")
    func lowOrderKey() throws {
        let points = try LowOrderPoints.load()
        let sealer = try meeting.authenticateKey()
        for (key, commitment) in points.flatMap({ key in points.map { (key, $0) } }) {
            for topBit in [0, 0x80] as [UInt8] {
                var plain = commitment.bytes + [UInt8](repeating: 0, count: 32) + key.bytes
                plain[95] ^= topBit
                var server = try meeting.answering()
                #expect(server.refusal(of: sealer.seal(plain)) == .forged)
            }
        }
    }

    @Test("a signature whose R has small order is refused", arguments: [0, 0x80] as [UInt8])
    func lowOrderCommitment(_ topBit: UInt8) throws {
        let sealer = try meeting.authenticateKey()
        for commitment in try LowOrderPoints.load() {
            var plain = try sealer.open(meeting.authenticate.span)
            plain.replaceSubrange(..<32, with: commitment.bytes)
            plain[31] ^= topBit
            var server = try meeting.answering()
            #expect(server.refusal(of: sealer.seal(plain)) == .forged)
        }
    }

    /// S was computed for R = the neutral point, so that the equation of Ed25519 holds; the box is made for the
    /// published transcript's keys.
    @Test("a signature whose R is the neutral point is refused although its equation holds")
    func neutralCommitment() throws {
        var server = try publishedServer()
        let authenticate: Hex = """
            fb35d9bab1c651aeee4dc750c285b445b21693b667919fa61ced31c039fe2256bfaf8ffa6659a2d7836f8ed0a12c6395\
            47c3eb7a3b59d405daccfe7bfba0ab0dafb8b097a7555b603608fe69ce8fb61516b1a2b2b7bfc98814b9bb5e097a71a4\
            efc5f51f3723ed9258b2e3e58b5b7433
            """
        #expect(server.refusal(of: authenticate.bytes) == .forged)
    }

    /// The client owns the key with the point of order 2 added, and signed until the hash was even, so that
    /// libsodium finds its signature good; only the conversion shows that the key is not in the main subgroup.
    @Test("a key outside of the main subgroup is refused although its signature is good")
    func mixedOrderKey() throws {
        var server = try publishedServer()
        let authenticate: Hex = """
            616ad4582ee34d8c28f28b4f936de22667a266ce2ff95ca418ee15a72e1234c94831a99ae8f88476280660a7709d0487\
            f266244c13ea4604336d8296da16973ccfe2e7a8184a3bb969a97606beee3413fb4e5d4d48403677eb4644a1f6858e5b\
            103a0ae0c8dc126da74d1c1a74a48bcc
            """
        #expect(server.refusal(of: authenticate.bytes) == .unusableIdentity)
        #expect(server.refusalToAccept() == .alreadyFinished)
    }

    @Test("a malleated signature, S with the group's order added, is refused")
    func malleatedSignature() throws {
        let order: Hex = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"
        let sealer = try meeting.authenticateKey()
        var plain = try sealer.open(meeting.authenticate.span)
        var carry = 0
        for (index, byte) in order.bytes.enumerated() {
            carry += Int(plain[32 + index]) + Int(byte)
            plain[32 + index] = UInt8(carry & 0xFF)
            carry >>= 8
        }
        #expect(carry == 0)
        var server = try meeting.answering()
        #expect(server.refusal(of: sealer.seal(plain)) == .forged)
    }

    @Test("another client's key beside one's own signature is refused")
    func borrowedKey() throws {
        let sealer = try meeting.authenticateKey()
        var plain = try sealer.open(meeting.authenticate.span)
        plain.replaceSubrange(64..., with: try Meeting(seed: 2).client.publicKey.bytes.array)
        var server = try meeting.answering()
        #expect(server.refusal(of: sealer.seal(plain)) == .forged)
    }

    @Test("an authenticate of another handshake is refused")
    func replayed() throws {
        let plain = try meeting.authenticateKey().open(meeting.authenticate.span)
        let other = try Meeting(seed: 0xBAD, ephemeralSeed: 4)
        var server = try other.answering()
        #expect(server.refusal(of: meeting.authenticate) == .forged)
        server = try other.answering()
        #expect(server.refusal(of: try other.authenticateKey().seal(plain)) == .forged)
    }

    /// The server of the published transcript, after its hello.
    private func publishedServer() throws -> ServerHandshake {
        let transcript = try Transcript.load()
        var server = try transcript.server()
        #expect(try server.answer(transcript.client_challenge.bytes) == transcript.server_challenge.bytes)
        return server
    }
}
