import Connection
import NIOCore
import TestSupport
import Testing
import Tunnel
import TypedSodium

/// In memory: a portal that takes everything and says nothing any more, as behind an address that has changed.
@Suite("A node whose portal owes it an answer")
struct UnansweredNodeTests {
    @Test("asks after 5 s, gives up after 10 s, as a client", arguments: [0, 20] as [Int64])
    func client(_ idleSeconds: Int64) throws {
        let world = try PortalWorld()
        let (client, link) = try world.connectNode(.random())
        world.wait(.seconds(idleSeconds))
        link.isPeerReading = false
        _ = try client.node.call(["whoami"], [], on: .outer)
        world.wait(.milliseconds(9_900))
        #expect(client.ended.isEmpty)
        world.wait(.milliseconds(200))
        #expect(client.ended == [.outer: .timedOut] && client.node.phase == .broken)
    }

    @Test("gives up after 10 s as an endpoint, of whose answers nothing arrives")
    func endpoint() throws {
        let world = try PortalWorld()
        let (endpoint, link) = try world.endpoint()
        world.wait(.seconds(3))
        link.isPeerReading = false
        // What the endpoint sends here is no answer to anything: it announces again.
        endpoint.node.announce()
        world.wait(.milliseconds(9_900))
        #expect(endpoint.ended.isEmpty)
        world.wait(.milliseconds(200))
        #expect(endpoint.ended == [.outer: .timedOut])
    }

    @Test("stays where the portal says anything at all")
    func answered() throws {
        let world = try PortalWorld()
        let (client, link) = try world.connectNode(.random())
        for _ in 0..<20 {
            link.isPeerReading = false
            _ = try client.node.call(["whoami"], [], on: .outer)
            world.wait(.seconds(9))
            link.isPeerReading = true
            world.wait(.seconds(1))
        }
        #expect(client.ended.isEmpty)
    }

    @Test("has the time of an idle one for what it asks when it has nothing to say")
    func idle() throws {
        let world = try PortalWorld()
        let (client, link) = try world.connectNode(.random())
        link.isPeerReading = false
        world.wait(.milliseconds(44_900))
        #expect(client.ended.isEmpty)
        world.wait(.milliseconds(200))
        #expect(client.ended == [.outer: .timedOut])
    }
}
