package import MuxRPC
internal import Multiserver
package import NIOCore
internal import SecretHandshake
package import TypedSodium

/// A peer at a portal over a socket, whose calls are single packets, cut as JavaScript does; it waits a minute at most.
package final class RawEnd {
    package typealias Packet = (header: PacketHeader, body: ByteBuffer)

    private let peer: RawPeer
    private let socket: LoopbackSocket
    private var packets: [Packet] = []

    /// Connects to a portal whose id and port are known, and shakes hands.
    package init(_ identity: Identity, to portal: String, at port: UInt16) throws {
        peer = try RawPeer(identity, to: PublicKey(id: portal), network: .scuttlebutt)
        socket = try LoopbackSocket.dialling(port, until: .now + .seconds(60))
        while !peer.isOpen {
            try flush()
            try take()
        }
        try flush()
    }

    /// Its id.
    package var id: String { peer.key.id }

    package func call(_ json: String, isStream: Bool = false, number: Int32) throws {
        peer.call(json, isStream: isStream, number: number)
        try flush()
    }

    package func send(number: Int32, body: [UInt8]) throws {
        peer.send(number: number, body: body)
        try flush()
    }

    /// Announces itself openly.
    package func announce() throws {
        try call(#"{"name":["tunnel","announce"],"args":[],"type":"async"}"#, number: 1)
        _ = try packet { $0.header.requestNumber == -1 }
    }

    /// Asks for a tunnel, on the stream of that number.
    package func connect(to target: String, number: Int32) throws {
        try call(
            #"{"name":["tunnel","connect"],"args":[{"target":"\#(target)"}],"type":"duplex"}"#,
            isStream: true, number: number)
    }

    /// The first packet that is as wanted.
    package func packet(where isWanted: (Packet) -> Bool) throws -> Packet {
        while true {
            if let index = packets.firstIndex(where: isWanted) { return packets.remove(at: index) }
            try take()
        }
    }

    /// The first bytes on a stream.
    package func bytes(_ count: Int, number: Int32) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let next = try packet { $0.header.requestNumber == number && $0.header.bodyType == .binary }
            bytes += Array(next.body.readableBytesView)
        }
        return bytes
    }

    private func flush() throws {
        while let bytes = peer.nextOutbound() { try socket.writeAll(Array(bytes.readableBytesView)) }
    }

    private func take() throws {
        let bytes = try socket.read(atMost: 256 << 10)
        guard !bytes.isEmpty else { throw LoopbackSocket.Failure.ended }
        try peer.take(ByteBuffer(bytes: bytes))
        packets += peer.takePackets()
        try flush()
    }
}
