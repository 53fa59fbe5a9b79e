import Multiserver
import MuxRPC
import NIOCore
import PortalCore
import SecureSession
import TestSupport
import Testing
import TypedSodium

/// A client at one machine, an endpoint at another, and a session between those.
final class LinkStage {
    let world: LinkWorld
    let neighbours = ScriptedNeighbours()
    let client: SessionPeer
    let clientLink: Link
    let endpoint: SessionPeer
    let endpointLink: Link
    let link: (dialler: LinkEnd, acceptor: LinkEnd)

    init(_ change: (Int, inout PortalSettings) -> Void = { _, _ in }) throws {
        let neighbours = neighbours
        world = try LinkWorld { number, settings in
            settings.callsPerSecond = 1000
            if number == 0 { settings.neighbours = neighbours }
            change(number, &settings)
        }
        (client, clientLink) = try world.worlds[0].connect(.random(), from: "192.0.2.7")
        (endpoint, endpointLink) = try world.worlds[1].announced()
        link = try world.link(from: 0, to: 1)
    }

    var id: ConnectionID { link.dialler.connection.id ?? ConnectionID(0) }
    var near: Portal { world.worlds[0].portal }
    var far: Portal { world.worlds[1].portal }

    /// Has the client call, and says where the target is.
    func call(_ target: SessionPeer? = nil, from caller: SessionPeer? = nil) throws -> StreamID {
        let target = target ?? endpoint
        let stream = try (caller ?? client).connect(to: target.key.id)
        world.run()
        neighbours.asked.last?.take(.reach(link: id, endpoint: target.key))
        world.run()
        return stream
    }

    /// A tunnel from machine to machine, and its stream at both ends.
    func tunnel(to target: SessionPeer? = nil) throws -> PortalWorld.Tunnel {
        let target = target ?? endpoint
        let near = try call(target)
        return PortalWorld.Tunnel(near: near, far: try #require(target.tunnels.last?.stream))
    }

    /// Waits, with those that read slowly taking their share, until nothing waits in either portal.
    func settle() {
        for _ in 0..<400 where near.metrics.queuedByteCount + far.metrics.queuedByteCount > 0 {
            world.wait(.milliseconds(10))
        }
    }
}
