internal import Multiserver
package import MuxRPC
internal import NIOCore
internal import Testing
package import TypedSodium

extension PortalWorld {
    /// A tunnel, and its stream at both ends.
    package struct Tunnel {
        package let near: StreamID
        package let far: StreamID

        package init(near: StreamID, far: StreamID) {
            self.near = near
            self.far = far
        }
    }

    /// Opens a tunnel from a client to an endpoint.
    package func tunnel(from client: SessionPeer, to endpoint: SessionPeer) throws -> Tunnel {
        let near = try client.connect(to: endpoint.key.id)
        run()
        return Tunnel(near: near, far: try #require(endpoint.tunnels.last?.stream))
    }

    /// An endpoint that is announced openly.
    package func announced(_ identity: Identity? = nil) throws -> (SessionPeer, Link) {
        let (endpoint, link) = try connect(identity ?? .random())
        _ = try endpoint.call("tunnel.announce")
        run()
        return (endpoint, link)
    }
}
