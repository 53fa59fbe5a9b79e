import Connection
import Multiserver
import MuxRPC
import NIOCore
import TestSupport
import Testing
import Tunnel
import TypedSodium

/// In memory: a node's connection in whose place another one has come.
@Suite("A node that goes to another machine of its portal")
struct NodeMovingTests {
    private let world: PortalWorld

    init() throws { world = try PortalWorld() }

    @Test("takes no more calls on the old connection, and leaves it when the last tunnel has ended")
    func endpoint() throws {
        let (endpoint, _) = try world.endpoint()
        let (client, session) = try world.client(of: endpoint.key)
        let near = try client.open(.service("ssh"), on: session)
        near.send([1, 2, 3], end: false)
        world.run()
        endpoint.node.retire(at: world.now)
        world.run()
        #expect(endpoint.ended.isEmpty, "the tunnel goes on")
        let (late, _) = try world.connectNode(.random())
        let refused = try late.openTunnel(to: endpoint.key)
        world.run()
        #expect(
            late.ended[refused] == .some(.targetNotThere(ErrorText.couldNotConnect(to: endpoint.key.id))))
        let far = try #require(endpoint.ends.values.first)
        near.send([4], end: true)
        world.run()
        #expect(far.received == ByteBuffer(bytes: [1, 2, 3, 4]))
        client.node.closeTunnel(session)
        world.wait(.milliseconds(400))
        #expect(endpoint.ended[.outer] == .some(nil) && endpoint.node.phase == .finished)
    }

    @Test("leaves at once where nothing is open, as a client whose session is not in use")
    func unused() throws {
        let (endpoint, _) = try world.endpoint()
        let (client, session) = try world.client(of: endpoint.key)
        client.node.retire(at: world.now)
        world.wait(.milliseconds(400))
        #expect(client.ended == [session: nil, .outer: nil])
        endpoint.node.retire(at: world.now)
        world.wait(.milliseconds(400))
        #expect(endpoint.ended[.outer] == .some(nil))
    }

    @Test("lets a client's stream end before its session does")
    func stream() throws {
        let (endpoint, _) = try world.endpoint()
        let (client, session) = try world.client(of: endpoint.key)
        let near = try client.open(.service("ssh"), on: session)
        near.send([1], end: false)
        world.run()
        client.node.retire(at: world.now)
        world.wait(.seconds(60))
        #expect(client.ended.isEmpty)
        let far = try #require(endpoint.ends.values.first)
        far.send([2], end: true)
        near.send([], end: true)
        world.wait(.milliseconds(400))
        #expect(near.received == ByteBuffer(bytes: [2]) && near.close?.failure == nil)
        #expect(client.ended == [session: nil, .outer: nil])
    }

    @Test("cuts a silent old connection at 8 s, and its streams end in an error")
    func silent() throws {
        let (endpoint, link) = try world.endpoint()
        let (client, session) = try world.client(of: endpoint.key)
        let near = try client.open(.service("ssh"), on: session)
        near.send([1], end: false)
        world.run()
        endpoint.node.expect(.amongMachines(fraction: 0))
        link.isPeerReading = false
        world.wait(.milliseconds(4_900))
        #expect(endpoint.silenceCount == 0 && !endpoint.node.isSilent)
        world.wait(.milliseconds(200))
        #expect(endpoint.silenceCount == 1 && endpoint.node.isSilent)
        endpoint.node.retire(at: world.now)
        world.wait(.milliseconds(2_800))
        #expect(endpoint.ended.isEmpty)
        world.wait(.milliseconds(200))
        #expect(endpoint.ended[.outer] == .timedOut)
        #expect(try #require(endpoint.ends.values.first).close?.failure == .truncated)
    }

    @Test("is told once of a portal that asks for it, which is answered each time", arguments: [false, true])
    func move(announces: Bool) throws {
        let portal = try HandmadePortal(
            node: .random(),
            policy: announces ? EndpointPolicy(services: ["ssh"], access: .anyone) : nil)
        for _ in 0..<3 {
            let call = try portal.outer.call(Method.move.rawValue)
            portal.run()
            #expect(portal.outer.replies[call] == .value(true))
        }
        let asked = portal.outputs.count { if case .moveAsked = $0 { true } else { false } }
        #expect(asked == 1)
    }
}
