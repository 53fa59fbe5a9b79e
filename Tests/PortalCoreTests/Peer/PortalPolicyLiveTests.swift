import Blinding
import Connection
import Multiserver
import MuxRPC
import NIOCore
import PeerSupport
import PortalCore
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("A portal's policy, while it runs")
struct PortalPolicyLiveTests {
    private var random = SeededRandom(seed: 13)

    @Test("refuses handshakes of the denied, and of strangers where nothing is open to them")
    func handshake() throws {
        let (member, denied) = (try Identity.random(), try Identity.random())
        let world = try PortalWorld {
            $0.policy = PortalPolicy(
                announcers: .members, callers: .members, members: [member.publicKey, denied.publicKey],
                denied: [denied.publicKey])
        }
        let (_, welcome) = try world.connect(member)
        #expect(welcome.connection.phase == .running)
        for identity in [denied, try .random()] {
            let peer = try RawPeer(identity, to: world.portalKey, network: world.network)
            let link = world.join(peer)
            world.run()
            #expect(link.connection.phase == .broken && peer.items.isEmpty)
            #expect(world.events.last == .disconnected(nil, .refused))
        }
    }

    @Test("closes connections that are denied, with their tunnels, and no others")
    mutating func denial() throws {
        let world = try PortalWorld()
        let (endpoint, endpointLink) = try world.connect(.random())
        let (hidden, hiddenLink) = try world.connect(.random())
        let (client, clientLink) = try world.connect(.random())
        let token = try random.tokens(1)[0]
        _ = try endpoint.call("tunnel.announce")
        _ = try hidden.announce([token])
        world.run()
        let streams = try [endpoint.key.id, token.target].map { try client.connect(to: $0) }
        world.run()
        world.portal.update(PortalPolicy(denied: [endpoint.key, hidden.key]))
        world.run()
        for (peer, link) in [(endpoint, endpointLink), (hidden, hiddenLink)] {
            #expect(peer.hasGoodbye && link.connection.phase == .finished)
            #expect(world.events.contains(.disconnected(peer.key, .refused)))
        }
        #expect(clientLink.connection.phase == .running)
        #expect(streams.allSatisfy { client.ends[$0] == ErrorText.otherSideIsGone })
        #expect(world.portal.metrics.tunnelCount == 0 && world.portal.metrics.tokenCount == 0)
    }

    @Test("ends announcements that are not permitted any more, says so, and leaves live tunnels")
    mutating func announcers() throws {
        let world = try PortalWorld()
        let (open, _) = try world.connect(.random())
        let (hidden, hiddenLink) = try world.connect(.random())
        let (client, _) = try world.connect(.random())
        let token = try random.tokens(1)[0]
        let calls = [try open.call("tunnel.announce"), try hidden.announce([token])]
        let list = try client.open(.source, "tunnel.endpoints")
        world.run()
        let near = try client.connect(to: token.target)
        world.run()
        world.portal.update(PortalPolicy(announcers: .members))
        world.wait(.seconds(1))
        let reason = RemoteError(ErrorText.membersAnnounce)
        #expect(open.lateFailures == [calls[0]: reason] && hidden.lateFailures == [calls[1]: reason])
        #expect(world.events.suffix(3).contains(.left(open.key)))
        #expect(world.events.suffix(3).contains(.leftHidden(ConnectionID(2))))
        #expect(client.values[list]?.last == [])
        let misses = try [open.key.id, token.target].map { ($0, try client.connect(to: $0)) }
        let again = [try open.call("tunnel.announce"), try hidden.announce([token])]
        world.run()
        for (target, stream) in misses { #expect(client.ends[stream] == "could not connect to:\(target)") }
        #expect(open.refusal(again[0]) == reason.message && hidden.refusal(again[1]) == reason.message)
        #expect(client.ends[near] == nil && hiddenLink.connection.phase == .running)
        // Who becomes a member may.
        world.portal.update(PortalPolicy(announcers: .members, members: [hidden.key]))
        world.wait(.seconds(1))
        let call = try hidden.announce([token])
        world.run()
        #expect(hidden.isDone(call))
    }

    @Test("reaches nobody who may not announce any more, from the moment it is in force")
    mutating func atOnce() throws {
        let world = try PortalWorld()
        // First in the world, so its call comes before the endpoints hear of the policy.
        let (client, _) = try world.connect(.random())
        let (open, _) = try world.connect(.random())
        let (hidden, _) = try world.connect(.random())
        let token = try random.tokens(1)[0]
        _ = [try open.call("tunnel.announce"), try hidden.announce([token])]
        world.run()
        let streams = try [open.key.id, token.target].map { try client.connect(to: $0) }
        world.portal.update(PortalPolicy(announcers: .members))
        world.run()
        #expect(streams.allSatisfy { client.ends[$0]?.hasPrefix("could not connect to:") == true })
        #expect(open.tunnels.isEmpty && hidden.tunnels.isEmpty)
    }

    @Test("takes a set back that is too large for who is no member any more")
    mutating func demotion() throws {
        let member = try Identity.random()
        let world = try PortalWorld { $0.policy.members = [member.publicKey] }
        let (endpoint, _) = try world.connect(member)
        let call = try endpoint.announce(random.tokens(769))
        world.run()
        world.portal.update(PortalPolicy())
        world.run()
        #expect(endpoint.lateFailures == [call: RemoteError("too many tokens")])
        #expect(world.portal.metrics.tokenCount == 0)
    }

    @Test("connects members only, tells others the same whomever they ask for, and ends what they have")
    func callers() throws {
        let member = try Identity.random()
        let world = try PortalWorld { $0.policy.members = [member.publicKey] }
        let (endpoint, _) = try world.connect(.random())
        _ = try endpoint.call("tunnel.announce")
        let (friend, _) = try world.connect(member)
        let (stranger, link) = try world.connect(.random())
        let list = try stranger.open(.source, "room.attendants")
        let streams = try [friend, stranger].map { try $0.connect(to: endpoint.key.id) }
        world.run()
        world.portal.update(PortalPolicy(callers: .members, members: [member.publicKey]))
        world.run()
        #expect(link.connection.phase == .running, "it may announce")
        #expect(friend.ends[streams[0]] == nil)
        #expect(stranger.ends[streams[1]] == ErrorText.membersCall)
        #expect(stranger.ends[list] == ErrorText.membersCall)
        #expect(endpoint.ends == [endpoint.tunnels[1].stream: ErrorText.otherSideIsGone])
        let refused = try [endpoint.key.id, stranger.key.id.replacing("@", with: ""), "x.token1"].map {
            try stranger.connect(to: $0)
        }
        let lists = try ["tunnel.endpoints", "room.attendants"].map { try stranger.open(.source, $0) }
        let announced = try stranger.call("tunnel.announce")
        world.run()
        #expect((refused + lists).allSatisfy { stranger.ends[$0] == ErrorText.membersCall })
        #expect(stranger.isDone(announced))
        _ = try friend.connect(to: stranger.key.id)
        world.run()
        #expect(stranger.tunnels.count == 1)
        world.portal.update(
            PortalPolicy(announcers: .members, callers: .members, members: [member.publicKey]))
        world.run()
        #expect(link.connection.phase == .finished && stranger.hasGoodbye)
        #expect(world.portal.metrics.connectionCount == 1, "the endpoint is none either")
    }

    @Test("shows subscribers who may not announce the list, without themselves")
    func subscribers() throws {
        let world = try PortalWorld { $0.policy.announcers = .members }
        let (peer, _) = try world.connect(.random())
        let list = try peer.open(.source, "tunnel.endpoints")
        world.run()
        #expect(peer.values[list] == [[]] && peer.ends[list] == nil)
        #expect(world.events == [.connected(peer.key)])
    }

    @Test("lists members for members, and tells everybody whether they are one")
    func members() throws {
        let (member, other, denied) = (try Identity.random(), try Identity.random(), try Identity.random())
        let keys = [member, other, denied].map(\.publicKey)
        let world = try PortalWorld {
            $0.policy = PortalPolicy(members: Set(keys), denied: [denied.publicKey])
        }
        for (identity, isMember) in [(member, true), (try .random(), false)] {
            let (peer, _) = try world.connect(identity)
            let list = try peer.open(.source, "room.members")
            let metadata = try peer.call("room.metadata")
            world.run()
            let ids = keys[0..<2].map(\.id).sorted().map { id -> JSONValue in ["id": .string(id)] }
            #expect(peer.values[list] == (isMember ? [.array(ids)] : nil))
            #expect(peer.ends[list]?.isEmpty == true)
            guard case .value(let answer)? = peer.replies[metadata] else {
                Issue.record("no metadata")
                return
            }
            #expect(answer["membership"] == .bool(isMember))
        }
    }
}
