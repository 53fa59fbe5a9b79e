import Multiserver
import MuxRPC
import NIOCore
import PortalCore
import SecureSession
import TestSupport
import Testing
import TypedSodium

/// A machine that says on a link whatever a test wants.
final class RogueMachine {
    let peer: SessionPeer
    let end: LinkEnd
    private let world: LinkWorld
    /// The stream for grants.
    private(set) var flow: StreamID?

    /// Dials as one of the world's machines, and says hello as `name`.
    init(
        _ number: Int, dialling other: Int, in world: LinkWorld, as name: Int? = nil,
        for use: String = "tunnels"
    ) throws {
        self.world = world
        let terms = world.terms(number)
        peer = try SessionPeer(
            terms.identity, to: world.terms(other).identity.publicKey, network: terms.network)
        end = world.accepted(peer, at: other)
        let text = String(
            decoding: TextEncoding.base64URL.encode(LinkWorld.name(name ?? number).array.span), as: UTF8.self)
        _ = try peer.call("cluster.hello", [["machine": .string(text), "use": .string(use)]])
        world.run()
        if use == "tunnels", end.connection.isOpen { flow = try peer.open(.duplex, "cluster.flow", []) }
        world.run()
    }

    /// Opens a tunnel to an endpoint of that machine, as a caller's.
    func connect(_ caller: PublicKey, to endpoint: PublicKey, origin: PublicKey? = nil) throws -> StreamID {
        let about: JSONValue = [
            "source": "abc", "standing": "stranger", "caller": .string(caller.id),
            "by": .string(endpoint.id),
        ]
        let argument: JSONValue = [
            "target": .string(endpoint.id), "origin": .string((origin ?? caller).id), "instance": 0,
        ]
        let stream = try peer.open(.duplex, "cluster.connect", [about, argument])
        world.run()
        return stream
    }

    /// Grants bytes on a tunnel.
    func grant(_ byteCount: UInt32, on stream: StreamID) throws {
        var frame = ByteBuffer(integer: stream.sentNumber)
        frame.writeInteger(byteCount)
        if let flow { try peer.session.muxrpc.send(frame, on: flow) }
        world.run()
    }
}
