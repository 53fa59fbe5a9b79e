import MuxRPC
import NIOCore
import SecretHandshake
import SecureSession
import TestSupport
import TypedSodium

/// Two sessions joined in memory; what one sends the other receives, cut as the test wants it.
struct Wire {
    let client: Party
    let server: Party

    /// The longest piece that arrives at once, drawn anew for every piece.
    var pieceByteCount: () -> Int = { .max }

    static let manifest: Manifest = [
        "whoami": .async, "echo": .duplex, "upload": .sink, "numbers": .source, "tunnel.connect": .duplex,
    ]
    static let network = NetworkIdentifier.scuttlebutt

    /// A client that dials a server; nothing has been sent yet.
    init(
        client: Identity = Wire.identity(1), server: Identity = Wire.identity(2), framing: Framing = .direct
    ) throws {
        self.client = Party(
            try SecureSession(
                dialling: server.publicKey, as: client, network: Self.network, manifest: Self.manifest,
                framing: framing))
        self.server = Party(
            SecureSession(
                answeringAs: server, network: Self.network, manifest: Self.manifest, framing: framing))
    }

    /// A wire whose handshake is over, with nothing left to be told.
    static func open(client: Identity = Wire.identity(1), server: Identity = Wire.identity(2)) throws -> Wire
    {
        let wire = try Wire(client: client, server: server)
        wire.run()
        _ = (wire.client.takeTold(), wire.server.takeTold())
        return wire
    }

    /// The identity that grows from a seed.
    static func identity(_ seed: UInt8) -> Identity {
        do {
            return try Identity(seed: SecretKey(copying: [UInt8](repeating: seed, count: 32).span))
        } catch {
            preconditionFailure("32 bytes are a seed: \(error)")
        }
    }

    /// Carries bytes until neither side has any.
    func run() {
        while carry(client, server) || carry(server, client) {}
    }

    /// Carries what one side has to send; whether there was any.
    func carry(_ from: Party, _ to: Party) -> Bool {
        let bytes = from.takeOutbound()
        for piece in Self.cut(bytes, pieceByteCount) { to.receive(piece) }
        return !bytes.isEmpty
    }

    static func cut(_ bytes: [UInt8], _ pieceByteCount: () -> Int) -> [ArraySlice<UInt8>] {
        var rest = bytes[...]
        var pieces: [ArraySlice<UInt8>] = []
        while !rest.isEmpty {
            let piece = rest.prefix(pieceByteCount())
            pieces.append(piece)
            rest = rest.dropFirst(piece.count)
        }
        return pieces
    }
}

extension Party {
    func receive(_ bytes: ArraySlice<UInt8>) { receive(ByteBuffer(bytes: bytes)) }
}
