import MuxRPC
import Multiserver
import NIOCore
import Sodium
import Testing
import Transport

extension PortalWorld {
    /// A tunnel, and its stream at both ends.
    struct Tunnel {
        let near: StreamID
        let far: StreamID
    }

    /// Opens a tunnel from a client to an endpoint.
    func tunnel(from client: SessionPeer, to endpoint: SessionPeer) throws -> Tunnel {
        let near = try client.connect(to: endpoint.key.id)
        run()
        return Tunnel(near: near, far: try #require(endpoint.tunnels.last?.stream))
    }

    /// An endpoint that is announced openly.
    func announced(_ identity: Identity? = nil) throws -> (SessionPeer, Link) {
        let (endpoint, link) = try connect(identity ?? .random())
        _ = try endpoint.call("tunnel.announce")
        run()
        return (endpoint, link)
    }
}
