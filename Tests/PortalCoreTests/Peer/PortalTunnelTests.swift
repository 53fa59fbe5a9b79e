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

@Suite("A tunnel through a portal")
struct PortalTunnelTests {
    /// A portal, an endpoint that has announced itself, and a client.
    private func world() throws -> (world: PortalWorld, endpoint: SessionPeer, client: SessionPeer) {
        let world = try PortalWorld()
        let (endpoint, _) = try world.connect(.random())
        _ = try endpoint.call("tunnel.announce", [.null])
        let (client, _) = try world.connect(.random())
        return (world, endpoint, client)
    }

    /// Which of the fields a client's program sends.
    struct Form: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let hasPortal: Bool
        let instance: JSONValue?
    }

    static let forms = [
        Form(testDescription: "ssb-tunnel: target, instance", hasPortal: false, instance: 7),
        Form(testDescription: "ssb-room: target, portal", hasPortal: true, instance: nil),
        Form(testDescription: "guide: portal, target", hasPortal: true, instance: nil),
        Form(testDescription: "ours: all three", hasPortal: true, instance: 0),
        Form(testDescription: "the target alone", hasPortal: false, instance: nil),
    ]

    @Test("gives every endpoint what it needs, whatever the client sends", arguments: forms)
    func fields(_ form: Form) throws {
        let (world, endpoint, client) = try world()
        var argument: JSONValue = [
            "later": ["fields": [1.5]], "target": .string(endpoint.key.id), "origin": "@x",
        ]
        if form.hasPortal { argument["portal"] = .string(world.portalKey.id) }
        if let instance = form.instance { argument["instance"] = instance }
        let near = try client.open(.duplex, "tunnel.connect", [argument])
        world.run()

        let request = try #require(endpoint.tunnels.first)
        let received = request.arguments[0]
        #expect(request.kind == .duplex && request.arguments.count == 1)
        #expect(received["target"] == .string(endpoint.key.id))
        #expect(received["portal"] == .string(world.portalKey.id), "ssb-room's endpoints")
        #expect(received["instance"] == form.instance ?? 0, "ssb-tunnel's endpoints")
        #expect(received["origin"] == .string(client.key.id), "ssb-room-client's endpoints")
        #expect(received["later"] == ["fields": [1.5]])

        client.session.send(ByteBuffer(string: "hello"), on: near)
        endpoint.session.send(ByteBuffer(string: "welcome"), on: request.stream)
        world.run()
        #expect(endpoint.bytes[request.stream] == ByteBuffer(string: "hello"))
        #expect(client.bytes[near] == ByteBuffer(string: "welcome"))
        #expect(world.portal.metrics.tunnelCount == 1)
    }

    @Test("carries a megabyte each way in aligned frames", arguments: [1, 700, 65_536, .max])
    func megabyte(readByteCount: Int) throws {
        let world = try PortalWorld()
        let (endpoint, _) = try world.connect(.random())
        _ = try endpoint.call("tunnel.announce")
        let (client, link) = try world.connect(.random())
        let near = try client.open(.duplex, "tunnel.connect", [["target": .string(endpoint.key.id)]])
        world.run()
        let far = try #require(endpoint.tunnels.first?.stream)

        link.readByteCount = readByteCount
        var random = SeededRandom(seed: UInt64(clamping: readByteCount))
        let count = readByteCount == 1 ? 10_000 : 1 << 20
        let (there, back) = (ByteBuffer(bytes: random.bytes(count)), ByteBuffer(bytes: random.bytes(count)))
        client.session.send(there, on: near)
        endpoint.session.send(back, on: far)
        world.run()
        #expect(endpoint.bytes[far] == there)
        #expect(client.bytes[near] == back)
        #expect(world.portal.metrics.queuedByteCount == 0)
    }

    @Test("carries what JavaScript cuts, in order, with packets of 64 KiB and text and JSON between them")
    func javaScriptFrames() throws {
        let world = try PortalWorld()
        let (endpoint, _) = try world.connect(.random())
        _ = try endpoint.call("tunnel.announce")
        let client = try RawPeer(.random(), to: world.portalKey, network: world.network)
        _ = world.join(client)
        world.run()

        var random = SeededRandom(seed: 2)
        var sent: [UInt8] = []
        client.call(
            #"{"name":["tunnel","connect"],"args":[{"target":"\#(endpoint.key.id)"}],"type":"duplex"}"#,
            isStream: true, number: 1)
        for byteCount in [1, 43, 4087, 4088, 4096, 4130, 65_536, 65_536, 9000] {
            let body = random.bytes(byteCount)
            client.send(number: 1, body: body)
            sent += body
        }
        client.send(type: .json, number: 1, body: Array(#"{"eof":true}"#.utf8))
        client.send(number: 1, body: [7])
        world.run()

        let far = try #require(endpoint.tunnels.first?.stream)
        #expect(endpoint.bytes[far].map { Array($0.readableBytesView) } == sent + [7])
        let lengths = (endpoint.packets[far] ?? []).map(\.readableBytes)
        #expect(lengths.contains(65_536))
        #expect(endpoint.values[far] == [["eof": true]])

        let back = random.bytes(200_000)
        endpoint.session.send(ByteBuffer(bytes: back), on: far)
        world.run()
        let received = client.items.flatMap { item -> [UInt8] in
            guard case .packet(let header, let body) = item, header.requestNumber == -1 else { return [] }
            return Array(body.readableBytesView)
        }
        #expect(received == back)
    }

    @Test("keeps the order of what follows the opening in the same read")
    func rightBehindTheOpening() throws {
        let (world, endpoint, client) = try world()
        let near = try client.open(.duplex, "tunnel.connect", [["target": .string(endpoint.key.id)]])
        client.session.send(ByteBuffer(string: "first"), on: near)
        client.session.send(ByteBuffer(string: "second"), on: near)
        client.session.muxrpc.end(near)
        world.run()
        let far = try #require(endpoint.tunnels.first?.stream)
        #expect(endpoint.bytes[far] == ByteBuffer(string: "firstsecond"))
        #expect(endpoint.ends[far]?.isEmpty == true)
        #expect(world.portal.metrics.tunnelCount == 0)
    }

    @Test("refuses what cannot be connected, and the session goes on")
    func refusals() throws {
        let (world, endpoint, client) = try world()
        let stranger = try Identity.random().publicKey.id
        let target = JSONValue.string(endpoint.key.id)
        let cases: [([JSONValue], String)] = [
            ([["target": .string(stranger)]], "could not connect to:\(stranger)"),
            ([["target": "constructor"]], "could not connect to:constructor"),
            ([["target": .string(client.key.id)]], "can't connect to self"),
            ([["target": target, "portal": .string(stranger)]], "talking to the wrong room"),
            ([["target": target, "portal": 7]], "talking to the wrong room"),
            ([["target": 7]], "connect: invalid arguments"),
            ([["target": target], 1], "connect: invalid arguments"),
            ([], "connect: invalid arguments"),
            (
                [["target": target, "padding": .string(String(repeating: "x", count: 20_000))]],
                "the body is too long"
            ),
        ]
        for (arguments, message) in cases {
            let stream = try client.open(.duplex, "tunnel.connect", arguments)
            client.session.send(ByteBuffer(string: "in flight"), on: stream)
            world.run()
            #expect(client.ends[stream] == message)
        }
        #expect(endpoint.tunnels.isEmpty)
        let stream = try client.open(.duplex, "tunnel.connect", [["target": target]])
        world.run()
        #expect(client.ends[stream] == nil && endpoint.tunnels.count == 1)
    }

    @Test("passes an endpoint's error on to the client, and a client's to the endpoint")
    func errors() throws {
        let (world, endpoint, client) = try world()
        let argument: JSONValue = ["target": .string(endpoint.key.id)]
        let refused = try client.open(.duplex, "tunnel.connect", [argument])
        world.run()
        endpoint.session.muxrpc.fail(endpoint.tunnels[0].stream, message: "not today")
        let given = try client.open(.duplex, "tunnel.connect", [argument])
        world.run()
        #expect(client.ends[refused] == "not today")
        client.session.send(ByteBuffer(string: "last words"), on: given)
        client.session.muxrpc.fail(given, message: String(repeating: "ä", count: 1000))
        world.run()
        let far = endpoint.tunnels[1].stream
        #expect(endpoint.bytes[far] == ByteBuffer(string: "last words"))
        #expect(endpoint.ends[far] == String(repeating: "ä", count: 512))
    }

    @Test("tells the other end when a connection breaks or says goodbye", arguments: [false, true])
    func connectionEnds(politely: Bool) throws {
        let world = try PortalWorld()
        let (endpoint, link) = try world.connect(.random())
        _ = try endpoint.call("tunnel.announce")
        let (client, _) = try world.connect(.random())
        let near = try client.open(.duplex, "tunnel.connect", [["target": .string(endpoint.key.id)]])
        world.run()
        endpoint.session.send(ByteBuffer(string: "last words"), on: endpoint.tunnels[0].stream)
        if politely {
            endpoint.session.close()
            world.run()
            #expect(endpoint.hasGoodbye && endpoint.hasEnded)
            #expect(link.connection.phase == .finished)
        } else {
            world.run()
            world.drop(link)
            #expect(link.connection.phase == .broken)
        }
        #expect(client.bytes[near] == ByteBuffer(string: "last words"))
        #expect(client.ends[near] == ErrorText.otherSideIsGone)
        let metrics = world.portal.metrics
        #expect(metrics.connectionCount == 1 && metrics.tunnelCount == 0)
        #expect(metrics.queuedByteCount == 0)
        let again = try client.open(.duplex, "tunnel.connect", [["target": .string(endpoint.key.id)]])
        world.run()
        #expect(client.ends[again] == "could not connect to:\(endpoint.key.id)")
    }
}
