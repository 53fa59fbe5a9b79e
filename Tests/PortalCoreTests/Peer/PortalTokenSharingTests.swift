import Blinding
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

/// A token that several have announced: its endpoint, and whoever else holds it.
@Suite("A shared token at a portal")
struct PortalTokenSharingTests {
    private var random = SeededRandom(seed: 15)
    private let hello = ByteBuffer(repeating: 7, count: 64)

    /// A world with an honest endpoint, then others that announced its token, the last of them last.
    private mutating func shared(
        by count: Int, _ change: (inout PortalSettings) -> Void = { _ in }
    ) throws -> (world: PortalWorld, token: PairToken, honest: SessionPeer, others: [SessionPeer]) {
        let world = try PortalWorld(change)
        let token = try random.tokens(1)[0]
        let (honest, _) = try world.connect(.random(), from: "honest")
        _ = try honest.announce([token])
        world.run()
        let others = try (0..<count).map { number in
            let (other, _) = try world.connect(.random(), from: "\(number)")
            _ = try other.announce([token])
            world.run()
            return other
        }
        return (world, token, honest, others)
    }

    /// Calls the token, as the key that `by` names has announced it, and says hello at once.
    private func call(
        _ token: PairToken, by key: PublicKey? = nil, from client: SessionPeer
    ) throws -> StreamID {
        var argument: JSONValue = ["target": .string(token.target), "instance": 0]
        if let key { argument["by"] = .string(key.id) }
        let stream = try client.open(.duplex, "tunnel.connect", [argument])
        client.session.send(hello, on: stream)
        return stream
    }

    @Test("is called where the key was proved that the caller names, which is not passed on")
    mutating func by() throws {
        let (world, token, honest, others) = try shared(by: 3)
        let (client, _) = try world.connect(.random())
        let stream = try call(token, by: honest.key, from: client)
        world.run()
        #expect(honest.tunnels.count == 1 && others.allSatisfy(\.tunnels.isEmpty))
        let argument = try #require(honest.tunnels[0].arguments[0].object)
        #expect(argument["by"] == nil && argument["target"] == .string(token.target))
        #expect(honest.bytes[honest.tunnels[0].stream] == hello)
        // However long it is silent nobody else is asked, and a refusal is one.
        world.wait(.seconds(4))
        honest.session.muxrpc.fail(honest.tunnels[0].stream, message: "no")
        world.run()
        #expect(client.ends[stream] == "no" && others.allSatisfy(\.tunnels.isEmpty))
        let unknown = try call(token, by: client.key, from: client)
        world.run()
        #expect(client.ends[unknown] == "could not connect to:\(token.target)")
        for wrong: JSONValue in ["x", 1, ["a"], .string(token.target)] {
            let stream = try client.open(
                .duplex, "tunnel.connect", [["target": .string(token.target), "by": wrong]])
            world.run()
            #expect(client.ends[stream] == "connect: invalid arguments")
        }
        // Beside an id it is a field as any other.
        _ = try honest.call("tunnel.announce")
        world.wait(.seconds(1))
        _ = try client.open(.duplex, "tunnel.connect", [["target": .string(honest.key.id), "by": "x"]])
        world.run()
        #expect(honest.tunnels.last?.arguments[0]["by"] == "x")
    }

    @Test("is called at the newest, then at the next that was there, when one refuses; nothing sent is lost")
    mutating func refusal() throws {
        let (world, token, honest, others) = try shared(by: 3)
        let (client, _) = try world.connect(.random())
        let stream = try call(token, from: client)
        world.run()
        for (index, other) in others.enumerated().reversed() {
            let asked = try #require(other.tunnels.first)
            #expect(other.bytes[asked.stream]?.getSlice(at: 0, length: hello.readableBytes) == hello)
            #expect(others.filter { !$0.tunnels.isEmpty }.count == 3 - index)
            client.session.send(ByteBuffer(string: "\(index)"), on: stream)
            if index == 1 {
                other.session.muxrpc.end(asked.stream)
            } else {
                other.session.muxrpc.fail(asked.stream, message: "could not connect to:\(token.target)")
            }
            world.run()
        }
        #expect(client.ends[stream] == nil && world.portal.metrics.tunnelCount == 1)
        let asked = try #require(honest.tunnels.first)
        let (early, rest) = (try #require(honest.bytes[asked.stream]), hello.readableBytes)
        #expect(early.getSlice(at: 0, length: rest) == hello)
        #expect(early.getString(at: rest, length: early.readableBytes - rest) == "210")
        honest.session.send(ByteBuffer(string: "welcome"), on: asked.stream)
        client.session.send(ByteBuffer(string: "once"), on: stream)
        world.run()
        #expect(client.bytes[stream] == ByteBuffer(string: "welcome"))
        #expect(honest.packets[asked.stream]?.last == ByteBuffer(string: "once"))
        #expect(world.portal.metrics.queuedByteCount == 0)
    }

    @Test("is called at no more than four, nor after three seconds, nor once somebody has answered")
    mutating func limits() throws {
        let (world, token, honest, others) = try shared(by: 6)
        let (client, _) = try world.connect(.random())
        let stream = try call(token, from: client)
        world.run()
        for other in others[2...5].reversed() {
            #expect(client.ends[stream] == nil)
            other.session.muxrpc.fail(try #require(other.tunnels.first).stream, message: "no")
            world.run()
        }
        #expect(client.ends[stream] == "no" && honest.tunnels.isEmpty && others[1].tunnels.isEmpty)

        let late = try call(token, by: others[0].key, from: client)
        world.wait(.seconds(4))
        others[0].session.muxrpc.fail(try #require(others[0].tunnels.first).stream, message: "too late")
        world.run()
        #expect(client.ends[late] == "too late")

        let answered = try call(token, from: client)
        world.run()
        let asked = try #require(others[5].tunnels.last)
        others[5].session.send(ByteBuffer(string: "a packet"), on: asked.stream)
        others[5].session.muxrpc.fail(asked.stream, message: "no, after all")
        world.run()
        #expect(client.ends[answered] == "no, after all" && others[4].tunnels.count == 1)
    }

    @Test("is called at the next when one is silent, but not when nobody else has announced it")
    mutating func silence() throws {
        let (world, token, honest, others) = try shared(by: 2)
        let (client, _) = try world.connect(.random())
        let stream = try call(token, from: client)
        world.wait(.milliseconds(749))
        #expect(others[1].tunnels.count == 1 && others[0].tunnels.isEmpty)
        world.wait(.milliseconds(1))
        #expect(others[0].tunnels.count == 1)
        #expect(others[1].ends.values.contains(ErrorText.otherSideIsGone))
        world.wait(.seconds(1))
        #expect(honest.tunnels.count == 1 && honest.bytes[honest.tunnels[0].stream] == hello)
        world.wait(.seconds(30))
        #expect(client.ends[stream] == nil, "the last one has the time that it takes")
        honest.session.send(hello, on: honest.tunnels[0].stream)
        world.run()
        #expect(client.bytes[stream] == hello && world.portal.metrics.tunnelCount == 1)
    }

    @Test("is called at one only, when more was sent than is kept to be sent again")
    mutating func early() throws {
        let (world, token, _, others) = try shared(by: 2)
        let (client, _) = try world.connect(.random())
        let stream = try call(token, from: client)
        client.session.send(ByteBuffer(repeating: 1, count: 8000), on: stream)
        world.run()
        others[1].session.muxrpc.fail(try #require(others[1].tunnels.first).stream, message: "no")
        world.run()
        #expect(client.ends[stream] == "no" && others[0].tunnels.isEmpty)
    }

    @Test("belongs to each of its announcers, and each end takes only its own away")
    mutating func ends() throws {
        let world = try PortalWorld()
        let identity = try Identity.random()
        let (older, olderLink) = try world.connect(identity, from: "a")
        let (newer, newerLink) = try world.connect(identity, from: "b")
        let (client, _) = try world.connect(.random())
        let tokens = try random.tokens(3)
        for (peer, range) in [(older, 0..<2), (newer, 1..<3)] {
            _ = try peer.announce(tokens[range])
            world.run()
        }
        #expect(olderLink.connection.phase == .running, "nobody is thrown out")
        func reached(_ token: PairToken) throws -> [Int] {
            let before = [older.tunnels.count, newer.tunnels.count]
            _ = try client.connect(to: token.target)
            world.run()
            return [0, 1].filter { [older, newer][$0].tunnels.count > before[$0] }
        }
        #expect(try tokens.map { try reached($0) } == [[0], [1], [1]])
        world.drop(newerLink)
        #expect(try tokens.map { try reached($0) } == [[0], [0], []])
        world.drop(olderLink)
        #expect(try tokens.map { try reached($0) } == [[], [], []])
    }
}
