import Multiserver
import MuxRPC
import NIOCore
import PortalCore
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("An endpoint and a client at a portal")
struct NodeSessionTests {
    @Test("meet, and know each other")
    func meet() throws {
        let world = try PortalWorld()
        let (endpoint, _) = try world.endpoint()
        #expect(endpoint.established[.outer] == world.portalKey)
        let (client, session) = try world.client(of: endpoint.key)
        #expect(endpoint.established[try #require(endpoint.inner.first)] == client.key)
        #expect(endpoint.events == [.accepted(client.key)])
        let calls = try ["whoami", "tunnel.ping", "service.list", "manifest", "tunnel.connect"].map {
            try client.call($0, on: session)
        }
        let outer = try client.call("whoami", on: .outer)
        world.run()
        #expect(client.replies[calls[0]] == .value(["id": .string(client.key.id)]))
        #expect(client.replies[calls[1]] == .value(.integer(1_795_000_000_001)))
        #expect(client.replies[calls[2]] == .value(["ssh"]))
        guard case .value(let manifest)? = client.replies[calls[3]] else {
            Issue.record("no manifest")
            return
        }
        #expect(manifest["service"]?["open"] == "duplex" && manifest["tunnel"]?["connect"] == nil)
        guard case .failure(let error)? = client.replies[calls[4]] else {
            Issue.record("no tunnel inside a tunnel")
            return
        }
        #expect(error.message.hasSuffix("not in list of allowed methods"))
        guard case .value(let caller)? = client.replies[outer] else {
            Issue.record("no answer")
            return
        }
        #expect(caller["caller"] == .string(client.key.id))
    }

    @Test("answer each other's calls on a session in both directions")
    func callsBack() throws {
        let world = try PortalWorld()
        let (endpoint, _) = try world.endpoint()
        let (client, _) = try world.client(of: endpoint.key)
        let session = try #require(endpoint.inner.first)
        let call = try endpoint.call("whoami", on: session)
        let list = try endpoint.call("service.list", on: session)
        world.run()
        #expect(endpoint.replies[call] == .value(["id": .string(endpoint.key.id)]))
        guard case .failure? = endpoint.replies[list] else {
            Issue.record("a client offers nothing")
            return
        }
        #expect(client.asked.isEmpty)
    }

    @Test("turn strangers away, who learn that they were heard")
    func strangers() throws {
        let world = try PortalWorld()
        let friend = try Identity.random()
        let (endpoint, _) = try world.endpoint(access: .only([friend.publicKey: .all]))
        let (client, _) = try world.connectNode(.random())
        let session = try client.openTunnel(to: endpoint.key)
        world.run()
        #expect(client.ended[session] == .refused(answered: true))
        #expect(client.ended[.outer] == nil)
        #expect(endpoint.events == [.refused(client.key)])
        #expect(endpoint.node.tunnelCount == 0 && client.node.tunnelCount == 0)
        #expect(world.portal.metrics.tunnelCount == 0)

        let (invited, _) = try world.connectNode(friend)
        let second = try invited.openTunnel(to: endpoint.key)
        world.run()
        #expect(invited.established[second] == endpoint.key)
    }

    @Test("are told that a target is not there, in the portal's words")
    func unknownTarget() throws {
        let world = try PortalWorld()
        let (client, _) = try world.connectNode(.random())
        let nobody = try Identity.random().publicKey
        let session = try client.openTunnel(to: nobody)
        world.run()
        #expect(client.ended[session] == .targetNotThere("could not connect to:\(nobody.id)"))

        let own = try client.openTunnel(to: client.key)
        world.run()
        #expect(client.ended[own] == .targetNotThere("can't connect to self"))
        #expect(client.node.tunnelCount == 0)
    }

    @Test("refuse keys that nobody can have")
    func impossibleKeys() throws {
        let world = try PortalWorld()
        let (client, _) = try world.connectNode(.random())
        #expect(throws: SessionFailure.wrongPeer) {
            try client.openTunnel(to: PublicKey(FixedBytes<32>()))
        }
    }

    @Test("are told of a late end of an announcement")
    func replaced() throws {
        let world = try PortalWorld()
        let policy = EndpointPolicy(services: [], access: .anyone)
        let identity = try Identity.random()
        let (first, _) = try world.connectNode(identity, policy: policy)
        first.node.announce()
        world.run()
        let (second, _) = try world.connectNode(identity, policy: policy)
        second.node.announce()
        world.run()
        #expect(first.announcedCount == 1 && first.announcementEnds.count == 1)
        #expect(second.announcedCount == 1 && second.announcementEnds.isEmpty)
        world.wait(.seconds(5))
        #expect(first.ended.isEmpty && second.ended.isEmpty, "what follows from it is its owner's to decide")
    }

    @Test("take a refused announcement for an end")
    func refusedAnnouncement() throws {
        let world = try PortalWorld()
        let (client, _) = try world.connectNode(.random())
        let call = try client.node.call(["tunnel", "announce"], [["hidden": true]], on: .outer)
        world.run()
        guard case .failure? = client.replies[call] else {
            Issue.record("hidden announcements are not understood here")
            return
        }
        #expect(client.announcedCount == 0 && client.announcementEnds.isEmpty)
    }

    @Test("read the lists of the portal item by item")
    func items() throws {
        let world = try PortalWorld()
        let (endpoint, _) = try world.endpoint()
        let (client, link) = try world.connectNode(.random())
        _ = try client.node.openItems(.source, ["tunnel", "endpoints"], [], on: .outer)
        world.run()
        #expect(client.items.contains { String(buffer: $0).contains(endpoint.key.id) })
        world.drop(link)
        client.inputEnded()
        #expect(client.itemEnds.count == 1)
    }
}
