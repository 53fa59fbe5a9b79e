import Blinding
import Connection
import Multiserver
import MuxRPC
import NIOCore
import PeerSupport
import PortalCore
import SecureSession
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("A portal's pace")
struct PortalPaceTests {
    private var random = SeededRandom(seed: 16)

    @Test("follows one change of an announcement in 900 ms, the last that was asked for")
    func changes() throws {
        let world = try PortalWorld()
        let (watcher, _) = try world.connect(.random())
        let list = try watcher.open(.source, "room.attendants")
        world.wait(.seconds(1))
        let (peer, _) = try world.connect(.random())
        let before = world.events.count
        var calls: [RequestNumber] = []
        for _ in 0..<99 {
            calls.append(try peer.call("tunnel.announce"))
            calls.append(try peer.call("tunnel.leave"))
        }
        world.run()
        #expect(calls.allSatisfy(peer.isDone), "legacy clients are not refused")
        #expect(world.events.dropFirst(before) == [.announced(peer.key, .explicit)])
        world.wait(.milliseconds(899))
        #expect(world.events.count == before + 1)
        world.wait(.milliseconds(1))
        #expect(world.events.last == .left(peer.key) && world.events.count == before + 2)
        world.wait(.seconds(5))
        #expect(world.events.count == before + 2 && watcher.values[list]?.count == 3)
        // What comes to nothing is nothing.
        _ = try peer.call("tunnel.announce")
        _ = try peer.call("tunnel.leave")
        _ = try peer.call("tunnel.announce")
        world.wait(.seconds(5))
        #expect(world.events.count == before + 3)
    }

    @Test("follows one change in 900 ms whatever it is: open, hidden, or by a subscription")
    mutating func manners() throws {
        let world = try PortalWorld()
        let tokens = try random.tokens(2)
        let (peer, _) = try world.connect(.random())
        _ = try peer.open(.source, "tunnel.endpoints")
        world.run()
        let early = try peer.announce(tokens)
        world.wait(.milliseconds(900))
        #expect(peer.refusal(early) == "announced too often: once per second at most")
        let due = try peer.announce(tokens)
        world.run()
        #expect(peer.isDone(due))
        let leaves = try peer.call("tunnel.leave")
        let hides = try peer.announce(tokens)
        world.run()
        #expect(peer.isDone(leaves) && peer.refusal(hides) != nil)
        #expect(world.portal.metrics.tokenCount == 2)
        world.wait(.milliseconds(900))
        #expect(world.portal.metrics.tokenCount == 0)
        let refusal = "announced too often: once per second at most"
        #expect(
            world.events.suffix(5) == [
                .announced(peer.key, .subscription), .announcementRefused(nil, reason: refusal),
                .announcedHidden(ConnectionID(1)), .announcementRefused(nil, reason: refusal),
                .leftHidden(ConnectionID(1)),
            ])
    }

    @Test("does nothing for a set that is announced again, in whatever order")
    mutating func unchanged() throws {
        let world = try PortalWorld()
        let tokens = try random.tokens(300)
        let (peer, _) = try world.connect(.random())
        _ = try peer.announce(tokens)
        world.wait(.seconds(1))
        let before = world.events.count
        let again = try peer.announce(tokens.shuffled(using: &random))
        world.worksAtOnce = false
        world.run()
        world.work()
        world.run()
        #expect(peer.isDone(again) && world.events.count == before)
    }

    @Test("refuses a long announcement for what is wrong with it, as a short one, and keeps the set")
    mutating func unread() throws {
        let world = try PortalWorld()
        let tokens = try random.tokens(600)
        let (peer, _) = try world.connect(.random())
        _ = try peer.announce(tokens)
        world.run()
        let good = tokens.map { JSONValue.string($0.base64) }
        let wrong: [(JSONValue, String)] = [
            (["hidden": true, "tokens": .array(good + ["x"])], "announce: malformed token"),
            (["hidden": true, "tokens": .array(good + [good[0]])], "announce: repeated token"),
            (["hidden": true, "tokens": .array(good + good)], "the body is too long"),
            (["hidden": 1, "tokens": .array(good)], "announce: invalid arguments"),
            (["tokens": .array(good)], "announce: invalid arguments"),
            (["padding": .array(good)], "announce: invalid arguments"),
        ]
        for (argument, message) in wrong {
            world.wait(.seconds(1))
            let call = try peer.call("tunnel.announce", [argument])
            world.run()
            #expect(peer.refusal(call) == message)
            #expect(world.portal.metrics.tokenCount == 600)
        }
    }

    @Test("keeps the order of an announcement that is under way with whatever comes behind it")
    mutating func order() throws {
        let world = try PortalWorld()
        world.worksAtOnce = false
        let tokens = try random.tokens(700)
        func work(_ count: Int) {
            for _ in 0..<count where world.isCalledToWork { world.work() }
            world.run()
        }
        let (peer, link) = try world.connect(.random())
        let call = try peer.announce(tokens)
        world.wait(.seconds(2))
        let leaves = try peer.call("tunnel.leave")
        let second = try peer.announce(tokens)
        world.wait(.seconds(2))
        #expect(peer.isDone(leaves) && peer.refusal(second) != nil && peer.replies[call] == nil)
        work(3)
        #expect(peer.replies[call] == nil && world.portal.metrics.tokenCount == 700)
        work(100)
        #expect(peer.isDone(call))
        world.wait(.milliseconds(1))
        work(100)
        #expect(world.portal.metrics.tokenCount == 0, "it left behind the announcement")

        // A connection that ends in between leaves nothing.
        world.wait(.seconds(1))
        _ = try peer.announce(tokens)
        world.run()
        work(3)
        #expect(world.portal.metrics.tokenCount == 700)
        world.drop(link)
        #expect(world.portal.metrics.tokenCount == 0)
        work(100)
        #expect(!world.isCalledToWork)

        // So does one that may not announce any more.
        let (other, _) = try world.connect(.random())
        let refused = try other.announce(tokens)
        world.run()
        work(2)
        world.portal.update(PortalPolicy(announcers: .members))
        world.run()
        work(100)
        #expect(other.refusal(refused) == ErrorText.membersAnnounce)
        #expect(world.portal.metrics.tokenCount == 0)
    }

    @Test("tells whose set has to give way to somebody who has fewer")
    mutating func dropped() throws {
        let world = try PortalWorld { $0.tokenLimits.totalCount = 40 }
        let tokens = try random.tokens(40)
        let peers = try (0..<2).map { _ in try world.connect(.random(), from: "large").0 }
        let calls = try zip(peers, [0..<10, 10..<20]).map { peer, range in
            defer { world.run() }
            return try peer.announce(tokens[range])
        }
        let (small, _) = try world.connect(.random(), from: "small")
        let call = try small.announce(tokens[20..<25])
        world.run()
        #expect(small.isDone(call) && calls.indices.allSatisfy { peers[$0].isDone(calls[$0]) })
        #expect(peers[1].lateFailures == [calls[1]: RemoteError("too many tokens")])
        #expect(peers[0].lateFailures.isEmpty && world.portal.metrics.tokenCount == 15)
    }

    @Test("answers the numbers of gossip.ping a millisecond later, as ssb-gossip needs it")
    func gossipPing() throws {
        let world = try PortalWorld()
        let peer = try RawPeer(.random(), to: world.portalKey, network: world.network)
        let link = world.join(peer)
        world.run()
        // As recorded of ssb-tunnel's peers.
        peer.call(
            #"{"name":["gossip","ping"],"args":[{"timeout":300000}],"type":"duplex"}"#, isStream: true,
            number: 1)
        peer.send(type: .json, number: 1, body: Array("1795766281884".utf8))
        world.run()
        #expect(peer.items.isEmpty)
        world.wait(.milliseconds(1))
        guard case .packet(let header, let body)? = peer.items.first else {
            Issue.record("no answer")
            return
        }
        var text = ByteBuffer()
        text.writePacketHeader(header)
        #expect(text == ByteBuffer(bytes: [0x0a, 0, 0, 0, 0x0d, 0xff, 0xff, 0xff, 0xff]))
        #expect(String(buffer: body) == "1795000000000" && peer.items.count == 1)
        // It asks again every five minutes, and answers what the portal asks.
        for round in 2...40 {
            world.wait(.seconds(20))
            for item in peer.items {
                guard case .packet(let header, _) = item, header.requestNumber > 0 else { continue }
                peer.send(
                    type: .json, isStream: false, isEnd: true, number: -header.requestNumber,
                    body: [0x7b, 0x7d])
            }
            if round % 15 == 0 { peer.send(type: .json, number: 1, body: Array("\(round)".utf8)) }
        }
        #expect(link.connection.phase == .running)
        #expect(peer.texts(number: -1).count == 3)
        for junk in ["\"x\"", "{}", "null", "1e999"] {
            peer.send(type: .json, number: 1, body: Array(junk.utf8))
        }
        peer.send(type: .json, isEnd: true, number: 1, body: Array("true".utf8))
        world.wait(.seconds(1))
        #expect(peer.texts(number: -1).suffix(1) == ["true"] && peer.texts(number: -1).count <= 5)
        #expect(link.connection.phase == .running)
    }
}
