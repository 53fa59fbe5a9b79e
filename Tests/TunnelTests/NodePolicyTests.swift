import Multiserver
import MuxRPC
import NIOCore
import PortalCore
import SecureSession
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("A node's policy")
struct NodePolicyTests {
    private func value(_ reply: Reply?) -> JSONValue? {
        if case .value(let value)? = reply { value } else { nil }
    }

    @Test("lets every friend see and open what is theirs")
    func rights() throws {
        let stage = try HiddenStage()
        for (entry, names) in [(HiddenStage.Entry.friend, ["ssh", "web"]), (.other, ["web"])] {
            let (peer, _) = try stage.session(by: entry)
            let list = try peer.call("service.list")
            let before = stage.portal.asked.count
            let streams = try ["ssh", "web", "ftp"].map {
                try peer.open(.duplex, "service.open", [["name": .string($0)]])
            }
            stage.portal.run()
            #expect(value(peer.replies[list]) == .array(names.map { .string($0) }))
            #expect(stage.portal.asked.count - before == names.count)
            for (name, stream) in zip(["ssh", "web", "ftp"], streams) {
                #expect(peer.ends[stream] == (names.contains(name) ? nil : "no such service"))
            }
        }
        #expect(stage.portal.nodeEvents.contains(.unknownService("ssh", stage.other.publicKey)))
    }

    @Test("that loses a friend ends the friend's session in order, and waits for nobody")
    func removal() throws {
        for isReading in [true, false] {
            let stage = try HiddenStage()
            let (peer, stream) = try stage.session(by: .friend)
            let (bystander, _) = try stage.session(by: .other)
            _ = try peer.open(.duplex, "service.open", [["name": "ssh"]])
            stage.portal.run()
            stage.portal.node.serviceConnected(try #require(stage.portal.asked.first))
            stage.portal.isReading = isReading
            stage.portal.node.update(
                policy: EndpointPolicy(services: ["web"], access: .only([stage.other.publicKey: .all])))
            #expect(stage.portal.node.tunnelCount == 1)
            stage.portal.run()
            #expect(stage.portal.closes == [.truncated], "the local socket is reset")
            #expect(stage.portal.nodeEvents.last == .dismissed(stage.friend.publicKey))
            stage.portal.isReading = true
            stage.portal.run()
            #expect(peer.hasGoodbye && peer.hasEnded)
            #expect(stage.portal.outer.ends[stream]?.isEmpty == true)
            #expect(bystander.session.isOpen && !bystander.hasGoodbye)
        }
    }

    @Test("that takes a service away ends its streams, and leaves the rest")
    func lessServices() throws {
        let stage = try HiddenStage()
        let (peer, _) = try stage.session(by: .friend)
        let names: [JSONValue] = ["ssh", "web", "ssh"]
        let streams = try names.map { try peer.open(.duplex, "service.open", [["name": $0]]) }
        stage.portal.run()
        // One is in use, and one is still being connected to.
        stage.portal.node.serviceConnected(stage.portal.asked[0])
        var policy = EndpointPolicy(
            services: ["ssh", "web"], access: .only([stage.friend.publicKey: .only(["web"])]))
        stage.portal.node.update(policy: policy)
        stage.portal.run()
        #expect(streams.map { peer.ends[$0] } == ["no such service", nil, "no such service"])
        #expect(stage.portal.closes == [.local("no such service"), .local("no such service")])

        let (list, again) = (try peer.call("service.list"), try peer.open(.duplex, "echo"))
        let grant = try peer.call("circle.grant")
        let late = try peer.open(.duplex, "service.open", [["name": "ssh"]])
        stage.portal.run()
        #expect(value(peer.replies[list]) == ["web"])
        #expect(peer.ends[late] == "no such service" && peer.ends[again] == nil)
        guard case .failure(let error)? = peer.replies[grant] else {
            Issue.record("granted by a policy that does not grant")
            return
        }
        #expect(error.message == "method:circle,grant is not in list of allowed methods")

        policy.instances[0]?.services = ["ssh"]
        stage.portal.node.update(policy: policy)
        stage.portal.run()
        #expect(peer.ends[streams[1]] == "no such service" && peer.session.isOpen)
    }

    @Test("that changes after a goodbye, or at a node that only dials, changes nothing")
    func nobody() throws {
        let portal = try HandmadePortal(node: .random(), policy: nil)
        portal.node.update(policy: EndpointPolicy(services: [], access: .anyone))
        #expect(portal.node.tunnelCount == 0)
        let stage = try HiddenStage()
        stage.portal.node.close(at: stage.portal.now)
        stage.portal.run()
        stage.portal.node.update(policy: EndpointPolicy(services: [], access: .anyone))
        stage.portal.run()
        #expect(throws: MuxRPCError.closed) { try stage.portal.node.announce(hidden: []) }
    }

    @Test("counts at an open endpoint too")
    func open() throws {
        let world = try PortalWorld()
        let (endpoint, _) = try world.endpoint()
        let (client, session) = try world.client(of: endpoint.key)
        let near = try client.open(.service("ssh"), on: session)
        near.send([1, 2, 3])
        world.run()
        endpoint.node.update(policy: EndpointPolicy(services: ["ssh"], access: .only([:])))
        world.run()
        #expect(client.ended[session] == .dismissed, "it was told, and a goodbye came")
        #expect(near.close?.failure == .truncated)
        #expect(endpoint.node.tunnelCount == 0 && world.portal.metrics.tunnelCount == 0)
        let again = try client.openTunnel(to: endpoint.key)
        world.run()
        #expect(client.ended[again] == .refused(answered: true))
    }
}
