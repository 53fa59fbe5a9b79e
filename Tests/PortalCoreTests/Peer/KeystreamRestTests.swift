import NIOCore
import SecureSession
import TestSupport
import Testing
import TypedSodium

@testable import PortalCore

@Suite("When a portal gives keystream back")
struct KeystreamRestTests {
    @Test("a second after the last frame, and a connection that carries single frames keeps none")
    func afterTheLast() throws {
        let world = try PortalWorld()
        let (endpoint, _) = try world.announced()
        let (client, link) = try world.connect(.random())
        let tunnel = try world.tunnel(from: client, to: endpoint)
        world.wait(.seconds(3))
        client.session.send(ByteBuffer(bytes: [1]), on: tunnel.near)
        world.run()
        let idle = try #require(link.connection.deadline)
        #expect(idle > world.now + .seconds(5))
        link.readByteCount = 256 << 10
        for _ in 0..<2 {
            client.session.send(ByteBuffer(repeating: 1, count: 100_000), on: tunnel.near)
            world.run()
            let busy = try #require(link.connection.deadline)
            #expect(busy <= world.now + KeystreamRest.patience)
            world.wait(.milliseconds(600))
        }
        world.wait(.seconds(2))
        let rested = try #require(link.connection.deadline)
        #expect(rested > world.now + .seconds(5))
        #expect(endpoint.bytes[tunnel.far]?.readableBytes == 200_001)
    }
}
