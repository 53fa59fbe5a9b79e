import BoxStream
import MuxRPC
import NIOCore
import SecretHandshake
import SecureSession
import TypedSodium

/// A client made of its parts, so that frames and packets can be laid out otherwise than a session does it.
final class HandmadeClient {
    private var sealer: Sealer

    /// Shakes hands with a server, whose session is open afterwards.
    init(with server: Party, key: PublicKey) throws {
        var handshake = try ClientHandshake(
            network: Wire.network, identity: Wire.identity(1), server: key, ephemeral: .random())
        server.receive(handshake.hello)
        guard case .send(let authenticate) = try handshake.receive(server.takeOutbound().span) else {
            preconditionFailure("a client answers a hello")
        }
        server.receive(authenticate)
        guard case .establish(let keys) = try handshake.receive(server.takeOutbound().span) else {
            preconditionFailure("a client goes on after an accept")
        }
        sealer = keys.take { key, nonce, _, _ in Sealer(key: key, nonce: nonce) }
        _ = server.takeTold()
    }

    /// One frame around a body.
    func seal(_ body: [UInt8]) -> [UInt8] {
        var frame = ByteBuffer(repeating: 0, count: BoxFrame.headerByteCount)
        frame.writeBytes(body)
        var bytes = frame.mutableReadableBytesSpan
        sealer.seal(&bytes)
        return Array(buffer: frame)
    }

    /// Frames around bodies of that many bytes, the last one shorter.
    func seal(_ bytes: [UInt8], cutAt limit: Int) -> [UInt8] {
        var frames: [UInt8] = []
        for piece in Wire.cut(bytes, { limit }) { frames += seal(Array(piece)) }
        return frames
    }

    /// The goodbye.
    func goodbye() -> [UInt8] { sealer.goodbye() }

    // MARK: Packets

    /// The opening of a duplex.
    static func open(_ number: Int32, _ name: String = "echo") -> [UInt8] {
        packet(0x0a, number, Array(#"{"name":["\#(name)"],"args":[],"type":"duplex"}"#.utf8))
    }

    /// A call.
    static func call(_ number: Int32) -> [UInt8] {
        packet(0x02, number, Array(#"{"name":["whoami"],"args":[]}"#.utf8))
    }

    /// Bytes on a stream.
    static func bytes(_ number: Int32, _ body: [UInt8]) -> [UInt8] { packet(0x08, number, body) }

    /// Any packet.
    static func packet(_ flags: UInt8, _ number: Int32, _ body: [UInt8]) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.writeInteger(flags)
        buffer.writeInteger(UInt32(body.count))
        buffer.writeInteger(number)
        return Array(buffer: buffer) + body
    }
}
