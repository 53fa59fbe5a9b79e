import MuxRPC
import NIOCore
import SecretHandshake
import SecureSession
import TestSupport
import Testing
import TypedSodium

@Suite("A session's handshake")
struct HandshakeTests {
    private let clientKey = Wire.identity(1).publicKey
    private let serverKey = Wire.identity(2).publicKey

    @Test("each side learns who the other is")
    func handshake() throws {
        let wire = try Wire()
        #expect(!wire.client.session.isOpen && wire.client.session.peer == nil)
        wire.run()
        #expect(wire.client.told == [.established(serverKey)])
        #expect(wire.server.told == [.client(clientKey)])
        #expect(wire.client.session.isOpen && wire.client.session.peer == serverKey)
        #expect(wire.server.session.isOpen && wire.server.session.peer == clientKey)
    }

    @Test("the handshake survives every split", arguments: 1...40)
    func splits(byteCount: Int) throws {
        var wire = try Wire()
        wire.pieceByteCount = { byteCount }
        wire.run()
        #expect(wire.client.session.isOpen && wire.server.session.isOpen)
    }

    @Test("packets behind the last message in the same read are taken")
    func behindLastMessage() throws {
        let wire = try Wire()
        _ = wire.carry(wire.client, wire.server)
        _ = wire.carry(wire.server, wire.client)
        _ = wire.carry(wire.client, wire.server)
        // The server calls as soon as it has accepted, as Go portals do with `manifest`.
        let call = try wire.server.session.muxrpc.call(["whoami"], [])
        let bytes = wire.server.takeOutbound()
        #expect(bytes.count > 80 + 34)
        wire.client.receive(bytes)
        #expect(wire.client.told.first == .established(serverKey))
        #expect(wire.client.told.request?.number == call)
    }

    @Test("an announced client waits for its decision, and nothing is written before it")
    func decision() throws {
        let wire = try Wire()
        wire.server.accepts = false
        wire.run()
        #expect(wire.server.told == [.client(clientKey)])
        #expect(wire.server.session.isAwaitingDecision && !wire.client.session.isOpen)
        try wire.server.session.accept()
        wire.run()
        #expect(wire.client.session.isOpen && wire.server.session.isOpen)
    }

    @Test("a refused client gets no byte, and what it sends is not read")
    func refusal() throws {
        let wire = try Wire()
        wire.server.accepts = false
        wire.run()
        wire.server.session.refuse()
        #expect(wire.server.takeOutbound().isEmpty)
        #expect(wire.server.session.isFinished && wire.server.session.peer == nil)
        wire.server.receive([1, 2, 3])
        #expect(wire.server.session.inboundByteCount == 0 && wire.server.error == nil)
        wire.client.inputEnded()
        #expect(wire.client.error == .refused(answered: true))
        #expect(throws: SecureSessionError.handshake(.outOfTurn)) { try wire.server.session.accept() }
    }

    @Test("refusing does nothing to an open session")
    func lateRefusal() throws {
        let wire = try Wire.open()
        wire.server.session.refuse()
        #expect(wire.server.session.isOpen)
    }

    @Test("closing before the handshake is over drops what waits")
    func earlyClose() throws {
        let wire = try Wire()
        wire.client.session.close()
        #expect(wire.client.session.isFinished && wire.client.takeOutbound().isEmpty)
    }

    @Test("another network is told from a forged proof")
    func wrongNetwork() throws {
        var bytes = Wire.network.bytes
        bytes.storage[0] ^= 1
        let wire = try Wire()
        let stranger = Party(
            SecureSession(
                answeringAs: Wire.identity(2), network: NetworkIdentifier(bytes), manifest: Wire.manifest))
        stranger.receive(wire.client.takeOutbound())
        #expect(stranger.error == .handshake(.wrongNetwork))
        #expect(stranger.takeOutbound().isEmpty)
        wire.client.inputEnded()
        #expect(wire.client.error == .refused(answered: false))
    }

    @Test("a server that is not the one dialled learns nothing")
    func wrongKey() throws {
        let wire = try Wire()
        let other = Party(
            SecureSession(answeringAs: Wire.identity(3), network: Wire.network, manifest: Wire.manifest))
        other.receive(wire.client.takeOutbound())
        wire.client.receive(other.takeOutbound())
        other.receive(wire.client.takeOutbound())
        #expect(other.error == .handshake(.forged))
        #expect(other.told.isEmpty && other.takeOutbound().isEmpty)
    }

    @Test("a key that nobody can own is not dialled")
    func unusableKey() {
        #expect(throws: SecureSessionError.handshake(.unusableIdentity)) {
            try SecureSession(
                dialling: PublicKey(FixedBytes()), as: Wire.identity(1), network: Wire.network,
                manifest: Wire.manifest)
        }
    }

    @Test("a client whose server ends early knows whether it was answered", arguments: 0...144)
    func serverEnds(byteCount: Int) throws {
        let wire = try Wire()
        _ = wire.carry(wire.client, wire.server)
        let hello = wire.server.takeOutbound()
        wire.client.receive(hello.prefix(byteCount))
        wire.server.receive(wire.client.takeOutbound())
        wire.client.receive(wire.server.takeOutbound().prefix(max(0, byteCount - 64)))
        guard byteCount < 144 else {
            #expect(wire.client.session.isOpen)
            return
        }
        wire.client.inputEnded()
        #expect(wire.client.error == .refused(answered: byteCount >= 64))
        #expect(try wire.client.session.next() == nil)
        #expect(wire.client.takeOutbound().isEmpty)
    }
}
