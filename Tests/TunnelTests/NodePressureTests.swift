import Connection
import Multiserver
import MuxRPC
import NIOCore
import SecureSession
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("A node whose portal takes nothing")
struct NodePressureTests {
    private static let limit = NodeConnection.backlogByteCount + (1 << 20)

    @Test("goes on reading while bare echoes are not read, and ends those that ask for more than they read")
    func bareEcho() throws {
        let identity = try Identity.random()
        let portal = try HandmadePortal(
            node: identity, policy: EndpointPolicy(services: [], access: .anyone))
        let (friend, _) = try portal.friend(
            ["target": .string(identity.publicKey.id)], of: identity.publicKey)
        let stream = try friend.open(.duplex, "echo")
        portal.isReading = false
        friend.session.send(ByteBuffer(repeating: 5, count: 8 << 20), on: stream)
        portal.run()
        #expect(portal.node.wantsInput && portal.unread.readableBytes == 0)
        #expect(portal.node.outboundByteCount < 300 << 10)
        portal.isReading = true
        portal.run()
        #expect(friend.ends[stream] == ErrorText.echoUnread)
        #expect(friend.bytes[stream]?.readableBytes ?? 0 <= 256 << 10)
        // What is read is answered again.
        let next = try friend.open(.duplex, "echo")
        friend.session.send(ByteBuffer(repeating: 6, count: 256 << 10), on: next)
        portal.run()
        #expect(friend.bytes[next] == ByteBuffer(repeating: 6, count: 256 << 10))
        #expect(portal.node.outboundByteCount == 0 && portal.ended.isEmpty)
    }

    @Test(
        "stops reading, does not take its own pause for silence, and gives all answers in the end")
    func answers() throws {
        let identity = try Identity.random()
        let services = (0..<40).map { "\($0) " + String(repeating: "s", count: 60) }
        let portal = try HandmadePortal(
            node: identity, policy: EndpointPolicy(services: services, access: .anyone))
        let friends = try (0..<50).map { _ in
            try portal.friend(["target": .string(identity.publicKey.id)], of: identity.publicKey).0
        }
        portal.isReading = false
        for friend in friends {
            for _ in 0..<50 { _ = try friend.call("service.list") }
        }
        portal.run()
        portal.wait(.nanoseconds(0))
        #expect(!portal.node.wantsInput)
        #expect(portal.node.outboundByteCount < Self.limit)
        portal.wait(.seconds(200))
        #expect(portal.ended.isEmpty && portal.node.phase == .running)
        portal.isReading = true
        portal.run()
        portal.wait(.milliseconds(1))
        for friend in friends { #expect(friend.replies.count == 50) }
        #expect(portal.ended.isEmpty)
    }

    @Test("takes what is left, in order, when the portal is gone")
    func inputEnds() throws {
        let identity = try Identity.random()
        let portal = try HandmadePortal(
            node: identity, policy: EndpointPolicy(services: ["ssh"], access: .anyone))
        let (friend, _) = try portal.friend(
            ["target": .string(identity.publicKey.id)], of: identity.publicKey)
        let stream = try friend.open(.duplex, "service.open", [["name": "ssh"]])
        friend.session.send(ByteBuffer(repeating: 5, count: 100_000), on: stream)
        portal.run()
        let key = try #require(portal.asked.first)
        portal.node.serviceConnected(key)
        portal.node.inputEnded(at: portal.now)
        portal.run()
        #expect(portal.closes == [.truncated] && portal.ended == [.lost, .lost])
    }
}
