import Connection
import Multiserver
import MuxRPC
import NIOCore
import PeerSupport
import PortalCore
import TestSupport
import Testing
import TypedSodium

/// What JavaScript's or Go's sessions die of, and a portal's must not (the table in the wire facts).
@Suite("A portal survives")
struct PortalSurvivalTests {
    /// One frame, and the end of a text of what must come back, if anything must.
    struct Garbage: CustomTestStringConvertible, Sendable {
        let testDescription: String
        var type: BodyType? = .json
        var isStream = false
        var isEnd = false
        let number: Int32
        var body = ""
        var answer: String?
    }

    static let table = [
        Garbage(
            testDescription: "a call of type sync", number: 1,
            body: #"{"name":["tunnel","ping"],"args":[],"type":"sync"}"#, answer: "1795000000000"),
        Garbage(testDescription: "a packet of length 0", number: 1, answer: "stack\":\"\"}"),
        Garbage(testDescription: "a stream packet of length 0", isStream: true, number: -3),
        Garbage(
            testDescription: "an end for a number of ours", isStream: true, isEnd: true, number: -7,
            body: "true"),
        Garbage(testDescription: "data for a number of ours", isStream: true, number: -7, body: "1"),
        Garbage(
            testDescription: "an end for an own number", isStream: true, isEnd: true, number: 7, body: "true"),
        Garbage(testDescription: "a reply to nothing", number: -77, body: "1"),
        Garbage(testDescription: "an error with a positive number", isEnd: true, number: 7, body: "{}"),
        Garbage(testDescription: "number 0", number: 0, body: "1"),
        Garbage(testDescription: "the number without negation", number: .min, body: "1"),
        Garbage(testDescription: "body type 3", type: nil, number: 1, body: "?", answer: "stack\":\"\"}"),
        Garbage(testDescription: "broken JSON in a call", number: 1, body: "{", answer: "stack\":\"\"}"),
        Garbage(
            testDescription: "an unknown stream type", isStream: true, number: 1,
            body: #"{"name":["tunnel","connect"],"args":[],"type":"triplex"}"#, answer: "stack\":\"\"}"),
        Garbage(
            testDescription: "arguments that are an object", number: 1,
            body: #"{"name":["tunnel","ping"],"args":{}}"#, answer: "stack\":\"\"}"),
        Garbage(
            testDescription: "no arguments", number: 1, body: #"{"name":["tunnel","ping"]}"#,
            answer: "stack\":\"\"}"),
        Garbage(testDescription: "no name", number: 1, body: #"{"args":[]}"#, answer: "stack\":\"\"}"),
        Garbage(
            testDescription: "a duplex opened as a source", isStream: true, number: 1,
            body: #"{"name":["tunnel","connect"],"args":[],"type":"source"}"#, answer: "stack\":\"\"}"),
        Garbage(
            testDescription: "as many arguments as any call may have", number: 1,
            body: #"{"name":["tunnel","ping"],"args":["\#(String(repeating: "x", count: (4 << 10) - 60))"]}"#,
            answer: "1795000000000"),
        Garbage(
            testDescription: "more arguments than the method needs", number: 1,
            body: #"{"name":["tunnel","ping"],"args":["\#(String(repeating: "x", count: 4 << 10))"]}"#,
            answer: "stack\":\"\"}"),
        Garbage(
            testDescription: "two mebibytes of arguments", number: 1,
            body: #"{"name":["tunnel","ping"],"args":["\#(String(repeating: "x", count: 2 << 20))"]}"#,
            answer: "stack\":\"\"}"),
        Garbage(
            testDescription: "nested deeper than anybody means", number: 1,
            body: String(repeating: "[", count: 100_000), answer: "stack\":\"\"}"),
    ]

    private func raw(in world: PortalWorld) throws -> (RawPeer, Link) {
        let peer = try RawPeer(.random(), to: world.portalKey, network: world.network)
        let link = world.join(peer)
        world.run()
        return (peer, link)
    }

    @Test("what is sent to it", arguments: table)
    func garbage(_ garbage: Garbage) throws {
        let world = try PortalWorld()
        let (peer, link) = try raw(in: world)
        peer.send(
            type: garbage.type, isStream: garbage.isStream, isEnd: garbage.isEnd, number: garbage.number,
            body: Array(garbage.body.utf8))
        world.run()
        let answers = peer.items.count
        #expect(answers == (garbage.answer == nil ? 0 : 1))
        if let answer = garbage.answer { #expect(peer.texts(number: -1).last?.hasSuffix(answer) == true) }
        peer.call(#"{"name":["tunnel","ping"],"args":[]}"#, number: 100)
        world.run()
        #expect(peer.texts(number: -100) == ["1795000000000"])
        #expect(link.connection.phase == .running)
    }

    @Test("what is sent on a tunnel")
    func garbageOnTunnel() throws {
        let world = try PortalWorld()
        let (endpoint, _) = try world.connect(.random())
        _ = try endpoint.call("tunnel.announce")
        let (peer, _) = try raw(in: world)
        let open = #"{"name":["tunnel","connect"],"args":[{"target":"\#(endpoint.key.id)"}],"type":"duplex"}"#
        peer.call(open, isStream: true, number: 5)
        peer.call(open, isStream: true, number: 5)
        peer.send(number: 5, body: [])
        peer.send(isStream: false, number: 5, body: [1])
        peer.send(number: -5, body: [2])
        peer.send(number: 6, body: [3])
        peer.send(number: 5, body: [4])
        world.run()
        let far = try #require(endpoint.tunnels.first?.stream)
        #expect(endpoint.tunnels.count == 1)
        #expect(endpoint.bytes[far] == ByteBuffer(bytes: [4]))
        #expect(endpoint.values[far]?.count == 1, "the second opening is JSON on the stream")

        // Too long for a packet of a stream: the stream breaks, the session stays.
        peer.send(number: 5, body: [UInt8](repeating: 0, count: (1 << 20) + 1))
        world.run()
        #expect(endpoint.ends[far]?.isEmpty == false)
        peer.send(type: .json, isStream: true, isEnd: true, number: 5, body: Array("true".utf8))
        peer.call(open, isStream: true, number: 6)
        peer.send(number: 6, body: [8])
        world.run()
        #expect(endpoint.bytes[endpoint.tunnels[1].stream] == ByteBuffer(bytes: [8]))
    }

    @Test("random packets in random boxes", arguments: 0..<30 as Range<UInt64>)
    func random(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let world = try PortalWorld()
        let (endpoint, healthy) = try world.connect(.random())
        _ = try endpoint.call("tunnel.announce")
        let (peer, _) = try raw(in: world)
        let bodies = [
            #"{"name":["tunnel","connect"],"args":[{"target":"\#(endpoint.key.id)"}],"type":"duplex"}"#,
            #"{"name":["room","attendants"],"args":[],"type":"source"}"#,
            #"{"name":["tunnel","announce"],"args":[]}"#, "true", "{}", "",
        ].map { Array($0.utf8) }
        for _ in 0..<200 {
            let body = bodies.randomElement(using: &random) ?? []
            peer.send(
                type: BodyType(rawValue: .random(in: 0...3, using: &random)),
                isStream: .random(using: &random),
                isEnd: .random(using: &random), number: .random(in: -4...4, using: &random),
                body: Bool.random(using: &random) ? body : random.bytes(.random(in: 0...6000, using: &random))
            )
            if Bool.random(using: &random) { world.wait(.milliseconds(30)) }
        }
        world.run()
        let ping = try endpoint.call("tunnel.ping")
        world.run()
        #expect(endpoint.replies[ping] == .value(1_795_000_000_000))
        #expect(healthy.connection.phase == .running)
        #expect(world.portal.metrics.queuedByteCount == 0)
    }
}
