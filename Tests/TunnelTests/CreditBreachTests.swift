import Multiserver
import MuxRPC
import NIOCore
import SecureSession
import TestSupport
import Testing
import Tunnel
import TypedSodium

/// What a friend may do wrong on one stream: that stream ends, and nothing else.
@Suite("A node whose friend breaks the rules of credit")
struct CreditBreachTests {
    struct Breach: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let error: CreditError
        var packets: [JSONValue] = []
        var bytes: [Int] = []
        var lastPackets: [JSONValue] = []
    }

    static let table = [
        Breach(testDescription: "a grant of 0", error: .badGrant, packets: [["credit": 0]]),
        Breach(testDescription: "a grant of -1", error: .badGrant, packets: [["credit": -1]]),
        Breach(testDescription: "a grant above 4 MiB", error: .badGrant, packets: [["credit": 4_194_305]]),
        Breach(testDescription: "a grant that is a text", error: .badGrant, packets: [["credit": "1"]]),
        Breach(testDescription: "a grant of nothing", error: .badGrant, packets: [["credit": nil]]),
        Breach(
            testDescription: "more grants than may be outstanding", error: .badGrant,
            packets: [["credit": 3_932_160], ["credit": 1]]),
        Breach(testDescription: "a packet of no kind", error: .badPacket, packets: [["window": 1]]),
        Breach(testDescription: "an end that is none", error: .badPacket, packets: [["eof": false]]),
        Breach(testDescription: "a list", error: .badPacket, packets: [[1]]),
        Breach(testDescription: "a text", error: .badPacket, packets: ["text"]),
        Breach(testDescription: "two ends", error: .afterEnd, packets: [["eof": true], ["eof": true]]),
        Breach(
            testDescription: "bytes behind the end", error: .afterEnd, packets: [["eof": true]], bytes: [1]),
        Breach(
            testDescription: "more bytes than were allowed", error: .exceeded,
            bytes: [100_000, 100_000, 62_145]),
        Breach(
            testDescription: "more bytes than were allowed, after all that were", error: .exceeded,
            bytes: [262_144, 1]),
    ]

    private func connected(isKnown: Bool = false) throws -> (HandmadePortal, SessionPeer) {
        let identity = try Identity.random()
        let caller = try Identity.random()
        let access = isKnown ? EndpointPolicy.Access.only([caller.publicKey: .all]) : .anyone
        let portal = try HandmadePortal(
            node: identity, policy: EndpointPolicy(services: ["ssh"], access: access))
        let (friend, _) = try portal.friend(
            ["target": .string(identity.publicKey.id)], of: identity.publicKey, as: caller)
        return (portal, friend)
    }

    @Test("ends that stream with the error `credit`", arguments: table)
    func breach(_ breach: Breach) throws {
        let (portal, friend) = try connected()
        for isConnected in [true, false] {
            let count = portal.closes.count
            let stream = try friend.open(.duplex, "service.open", [["name": "ssh"]])
            portal.run()
            if isConnected { portal.node.serviceConnected(try #require(portal.asked.last)) }
            for packet in breach.packets { try friend.session.muxrpc.send(packet, on: stream) }
            for byteCount in breach.bytes {
                friend.session.send(ByteBuffer(repeating: 7, count: byteCount), on: stream)
            }
            portal.run()
            #expect(friend.ends[stream] == "credit")
            #expect(portal.closes.count == count + 1 && portal.closes.last == .credit(breach.error))
            // The session stays, and the stream's rest is dropped.
            let call = try friend.call("whoami")
            portal.run()
            #expect(friend.replies[call] == .value(["id": .string(friend.key.id)]))
        }
        #expect(portal.ended.isEmpty)
    }

    @Test("takes credit behind an end")
    func creditBehindEnd() throws {
        let (portal, friend) = try connected()
        let stream = try friend.open(.duplex, "service.open", [["name": "ssh"]])
        try friend.session.muxrpc.send(["eof": true], on: stream)
        try friend.session.muxrpc.send(["credit": 262_144], on: stream)
        portal.run()
        let key = try #require(portal.asked.last)
        portal.node.serviceConnected(key)
        for _ in 0..<525 where !portal.node.send(ByteBuffer(repeating: 1, count: 1000), on: key) {
            portal.run()
        }
        #expect(friend.bytes[stream]?.readableBytes == 524_000, "less than all waits a little")
        portal.wait(.milliseconds(100))
        #expect(friend.bytes[stream]?.readableBytes == 524_288)
        portal.node.sendEnd(on: key)
        portal.run()
        #expect(friend.values[stream]?.last != ["eof": true], "what is unsent comes first")
        try friend.session.muxrpc.send(["credit": 1000], on: stream)
        portal.run()
        #expect(friend.values[stream]?.last == ["eof": true])
        #expect(friend.ends[stream] == nil, "its opener ends it")
        friend.session.muxrpc.end(stream)
        portal.run()
        #expect(portal.closes == [nil])
    }

    @Test("calls an end in the middle what it is, while a service is still being connected too")
    func endInTheMiddle() throws {
        let (portal, friend) = try connected()
        for isConnected in [true, false] {
            let stream = try friend.open(.duplex, "service.open", [["name": "ssh"]])
            portal.run()
            let key = try #require(portal.asked.last)
            if isConnected { portal.node.serviceConnected(key) }
            friend.session.muxrpc.end(stream)
            portal.run()
            #expect(portal.closes.last == .truncated)
            // A stream under the same number is another one.
            portal.node.serviceConnected(key)
            portal.node.drained(1_000_000, on: key)
            portal.node.sendEnd(on: key)
        }
        portal.run()
        #expect(portal.ended.isEmpty)
    }

    @Test("echoes for those who know no credit: bytes, texts and JSON")
    func bareEcho() throws {
        let (portal, friend) = try connected()
        let stream = try friend.open(.duplex, "echo")
        for _ in 0..<12 {
            friend.session.send(ByteBuffer(repeating: 5, count: 256 << 10), on: stream)
            portal.run()
        }
        try friend.session.muxrpc.send(["credit": "no", "a": [1, nil]], on: stream)
        try friend.session.muxrpc.send("text", on: stream)
        portal.run()
        #expect(friend.bytes[stream] == ByteBuffer(repeating: 5, count: 3 << 20))
        #expect(friend.values[stream] == [["credit": "no", "a": [1, nil]], "text"])
        friend.session.muxrpc.end(stream)
        let json = try friend.open(.duplex, "echo")
        try friend.session.muxrpc.send(["eof": true], on: json)
        portal.run()
        #expect(friend.values[json] == [["eof": true]], "JSON first, and no grant: no credit")
        friend.session.muxrpc.end(json)
        portal.run()
        #expect(portal.events.isEmpty && portal.ended.isEmpty)
    }

    @Test("holds 16 MiB for services that read nothing, and ends the stream that goes beyond")
    func heldBytes() throws {
        let (portal, friend) = try connected(isKnown: true)
        var streams: [StreamID] = []
        for _ in 0..<65 {
            let stream = try friend.open(.duplex, "service.open", [["name": "ssh"]])
            friend.session.send(ByteBuffer(repeating: 5, count: 262_144), on: stream)
            streams.append(stream)
            portal.run()
        }
        #expect(friend.ends == [streams[64]: "credit"])
        #expect(portal.closes == [.credit(.exceeded)])
        // What is drained makes room.
        let key = portal.asked[0]
        portal.node.serviceConnected(key)
        portal.node.drained(262_144, on: key)
        portal.run()
        let stream = try friend.open(.duplex, "service.open", [["name": "ssh"]])
        friend.session.send(ByteBuffer(repeating: 5, count: 262_144), on: stream)
        portal.run()
        #expect(friend.ends.count == 1)
    }
}
