import MuxRPC
import NIOCore
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("An hour in which nobody says anything")
struct IdleHourTests {
    @Test("leaves sessions and streams standing, of which each is used at once, with nobody dialling again")
    func hour() throws {
        let world = try PortalWorld()
        let (endpoint, _) = try world.endpoint()
        var clients: [(peer: NodePeer, session: SessionID, end: LocalEnd?)] = []
        for number in 0..<4 {
            let (peer, session) = try world.client(of: endpoint.key)
            // Two of them are in the midst of a connection to a service.
            let end = number < 2 ? try peer.open(.service("ssh"), on: session) : nil
            end?.send(Array("before".utf8))
            world.run()
            clients.append((peer, session, end))
        }
        let (linkCount, sessions) = (world.linkCount, Set(endpoint.inner))

        world.wait(.hours(1))

        #expect(world.linkCount == linkCount && Set(endpoint.inner) == sessions && sessions.count == 4)
        #expect(endpoint.ended.isEmpty && endpoint.announcementEnds.isEmpty)
        for client in clients {
            #expect(client.peer.ended.isEmpty && client.peer.established.count == 2)
            let call = try client.peer.call("tunnel.ping", on: client.session)
            client.end?.send(Array(" and after".utf8))
            world.run()
            #expect(client.peer.replies[call] == .value(1_795_000_000_001))
        }
        for asked in endpoint.asked {
            let text = endpoint.ends[asked.key].map { String(buffer: $0.received) }
            #expect(text == "before and after")
        }
        #expect(endpoint.asked.count == 2)
    }
}
