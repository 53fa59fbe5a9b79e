import NIOCore
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("A friend who is removed")
struct DismissalTests {
    @Test("learns that it is not let in any more, inside, where no portal reads it")
    func removed() throws {
        let world = try PortalWorld()
        let (endpoint, _) = try world.endpoint()
        let (client, session) = try world.client(of: endpoint.key)
        endpoint.node.update(policy: EndpointPolicy(services: ["ssh"], access: .only([:])))
        world.run()
        #expect(client.ended[session] == .dismissed)
        #expect(client.ended[.outer] == nil && client.node.tunnelCount == 0)
    }

    @Test("does not learn it from a node that stops")
    func stopped() throws {
        let world = try PortalWorld()
        let (endpoint, _) = try world.endpoint()
        let (client, session) = try world.client(of: endpoint.key)
        endpoint.node.close(at: world.now)
        world.run()
        #expect(client.ended[session] == .some(nil))
    }
}
