import Connection
import Multiserver
import MuxRPC
import NIOCore
import PortalCore
import SecureSession
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("A portal answers")
struct PortalCallsTests {
    @Test("what is asked of a portal or a room")
    func answers() throws {
        let world = try PortalWorld()
        let (peer, _) = try world.connect(.random())
        #expect(world.events == [.connected(peer.key)])
        let metadata: JSONValue = [
            "name": "the portal", "membership": false, "features": ["tunnel", "room1", "companionway1"],
        ]
        let expected: [(String, JSONValue)] = [
            ("tunnel.ping", 1_795_000_000_000), ("room.metadata", metadata), ("tunnel.isRoom", metadata),
            ("tunnel.announce", true), ("tunnel.leave", true), ("tunnel.leave", true),
            ("whoami", ["id": .string(world.portalKey.id), "caller": .string(peer.key.id)]),
            ("manifest", PortalMethods.manifest.tree),
        ]
        let calls = try expected.map { try peer.call($0.0) }
        let members = try peer.open(.source, "room.members")
        let unknown = try peer.call("gossip.pong")
        world.run()
        for (call, (_, answer)) in zip(calls, expected) { #expect(peer.replies[call] == .value(answer)) }
        #expect(peer.ends[members]?.isEmpty == true && peer.values[members] == nil)
        let refusal = RemoteError("method:gossip,pong is not in list of allowed methods")
        #expect(peer.replies[unknown] == .failure(refusal))
        #expect(world.events.dropFirst() == [.announced(peer.key, .explicit)])
        world.wait(.milliseconds(900))
        #expect(world.events.dropFirst() == [.announced(peer.key, .explicit), .left(peer.key)])
    }

    @Test("subscribers with the list, themselves included, and with who comes and goes")
    func lists() throws {
        let world = try PortalWorld()
        let (first, _) = try world.connect(.random())
        let endpoints = try first.open(.source, "tunnel.endpoints")
        let attendants = try first.open(.source, "room.attendants")
        world.run()
        let own = JSONValue.string(first.key.id)
        #expect(first.values[endpoints] == [[own]])
        #expect(first.values[attendants] == [["type": "state", "ids": [own]]])

        let (second, link) = try world.connect(.random())
        _ = try second.call("tunnel.announce")
        world.wait(.milliseconds(300))
        let other = JSONValue.string(second.key.id)
        let both: JSONValue = .array([first.key.id, second.key.id].sorted().map { .string($0) })
        #expect(first.values[endpoints] == [[own], both])
        #expect(first.values[attendants]?.last == ["type": "joined", "id": other])
        world.drop(link)
        world.wait(.milliseconds(300))
        #expect(first.values[endpoints] == [[own], both, [own]])
        #expect(first.values[attendants]?.last == ["type": "left", "id": other])

        // A subscription announces: the first can be reached.
        let (client, _) = try world.connect(.random())
        _ = try client.open(.duplex, "tunnel.connect", [["target": own]])
        world.run()
        #expect(first.tunnels.count == 1)
    }

    @Test("subscribers at most once in 250 milliseconds, and 10 more for every id that it tells")
    func interval() throws {
        let world = try PortalWorld()
        let (subscriber, _) = try world.connect(.random())
        let stream = try subscriber.open(.source, "tunnel.endpoints")
        world.wait(.seconds(1))
        for _ in 0..<50 {
            let (peer, _) = try world.connect(.random())
            _ = try peer.call("tunnel.announce")
            world.wait(.milliseconds(10))
        }
        world.wait(.seconds(1))
        let lists = subscriber.values[stream] ?? []
        // 260 ms after the list of one, then some 25 more are there: 250 + 260 ms.
        #expect((3...4).contains(lists.count), "the first, and one for each interval")
        #expect(lists.last?.array?.count == 51)
    }

    @Test("a subscriber that does not read with a fresh state when it does")
    func slowSubscriber() throws {
        let world = try PortalWorld {
            $0.subscriberByteCount = 1000
            $0.tokenLimits.interval = .zero
            $0.callBurst = 100_000
        }
        let (subscriber, link) = try world.connect(.random())
        let stream = try subscriber.open(.source, "room.attendants")
        world.run()
        let (peer, _) = try world.connect(.random())
        link.isPeerReading = false
        for _ in 0..<Attendance.changeLimit {
            _ = try peer.call("tunnel.announce")
            _ = try peer.call("tunnel.leave")
            world.wait(.milliseconds(1))
        }
        #expect(link.connection.phase == .running)
        _ = try peer.call("tunnel.announce")
        world.wait(.seconds(11))
        link.isPeerReading = true
        world.run()
        let state: JSONValue = .array([subscriber.key.id, peer.key.id].sorted().map { .string($0) })
        #expect(subscriber.values[stream]?.last == ["type": "state", "ids": state])
        #expect((subscriber.values[stream] ?? []).count < 600)
    }

    @Test("no more subscriptions than the limit")
    func subscriptionLimit() throws {
        let world = try PortalWorld { $0.subscriptionLimit = 2 }
        let (peer, _) = try world.connect(.random())
        let streams = try (0..<3).map { _ in try peer.open(.source, "tunnel.endpoints") }
        world.run()
        #expect(peer.ends == [streams[2]: "too many subscriptions"])
        peer.session.muxrpc.end(streams[0])
        let again = try peer.open(.source, "tunnel.endpoints")
        world.run()
        #expect(peer.values[again] == nil, "who subscribes over and over waits")
        world.wait(.milliseconds(300))
        #expect(peer.ends[again] == nil && peer.values[again]?.count == 1)
    }

    @Test("the older of two announcements with a late error, and calls it again when the newer is gone")
    func replaced() throws {
        let world = try PortalWorld()
        let identity = try Identity.random()
        let (older, link) = try world.connect(identity)
        let announcement = try older.call("tunnel.announce")
        world.run()
        #expect(older.replies[announcement] == .value(true))
        let (newer, newerLink) = try world.connect(identity)
        let stream = try newer.open(.source, "tunnel.endpoints")
        world.run()
        #expect(link.connection.phase == .running, "a subscription replaces no announcement")
        #expect(newer.values[stream]?.count == 1)

        _ = try newer.call("tunnel.announce")
        world.run()
        #expect(older.lateFailures == [announcement: RemoteError(ErrorText.announcedElsewhere)])
        world.wait(.seconds(60))
        #expect(link.connection.phase == .running, "it may be another instance of a JavaScript endpoint's")
        let (client, _) = try world.connect(.random())
        let target: JSONValue = ["target": .string(newer.key.id)]
        _ = try client.open(.duplex, "tunnel.connect", [target])
        world.run()
        #expect(newer.tunnels.count == 1 && older.tunnels.isEmpty)
        world.drop(newerLink)
        _ = try client.open(.duplex, "tunnel.connect", [target])
        world.run()
        #expect(older.tunnels.count == 1)
    }

    @Test("the older of two announcements without a word, where its machine is silent")
    func overtakenSilence() throws {
        let world = try PortalWorld()
        let identity = try Identity.random()
        let (older, link) = try world.announced(identity)
        let (client, _) = try world.connect(.random())
        let tunnel = try world.tunnel(from: client, to: older)
        link.isPeerReading = false
        let (newer, _) = try world.announced(identity)
        world.wait(.milliseconds(9_900))
        #expect(link.connection.phase == .running && client.ends.isEmpty)
        world.wait(.milliseconds(200))
        #expect(client.ends[tunnel.near] == ErrorText.otherSideIsGone, "its callers dial again at once")
        #expect(world.events.contains(.disconnected(older.key, .silent)))
        let again = try world.tunnel(from: client, to: newer)
        #expect(client.ends[again.near] == nil && newer.tunnels.count == 1)
    }

    @Test("neither of two announcements, where the older is not read and so cannot be heard")
    func overtakenUnread() throws {
        let world = try PortalWorld { $0.tunnelQueueByteCount = 100_000 }
        let identity = try Identity.random()
        let (older, link) = try world.announced(identity)
        let (client, slow) = try world.connect(.random())
        let tunnel = try world.tunnel(from: client, to: older)
        link.readByteCount = 64 << 10
        slow.isPeerReading = false
        older.session.send(ByteBuffer(repeating: 1, count: 400 << 10), on: tunnel.far)
        world.run()
        #expect(!link.connection.wantsInput)
        _ = try world.announced(identity)
        world.wait(.seconds(15))
        #expect(link.connection.phase == .running && client.ends.isEmpty)
    }

    @Test("the older of two subscriptions with an error on its stream")
    func replacedSubscription() throws {
        let world = try PortalWorld()
        let identity = try Identity.random()
        let (older, link) = try world.connect(identity)
        let stream = try older.open(.source, "room.attendants")
        let (newer, _) = try world.connect(identity)
        _ = try newer.open(.source, "room.attendants")
        world.run()
        #expect(older.ends[stream] == ErrorText.announcedElsewhere)
        #expect(link.connection.phase == .finished)
    }
}
