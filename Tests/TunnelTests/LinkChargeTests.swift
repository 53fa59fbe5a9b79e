import Account
import Connection
import Multiserver
import MuxRPC
import NIOCore
import SecureSession
import TestSupport
import Testing
import Tunnel
import TypedSodium

/// What a node's connection holds itself is charged to the portal's account.
@Suite("What a node's connection holds itself")
struct LinkChargeTests {
    private let endpoint: Identity
    private let friend: Identity

    init() throws { (endpoint, friend) = (try .random(), try .random()) }

    private func portal(_ accounts: EndpointAccounts) throws -> HandmadePortal {
        let policy = EndpointPolicy(services: ["ssh"], access: .only([friend.publicKey: .all]))
        return try HandmadePortal(node: endpoint, reception: .open(policy), accounts: accounts)
    }

    private func session(at portal: HandmadePortal) throws -> SessionPeer {
        try portal.friend(["target": .string(endpoint.publicKey.id)], of: endpoint.publicKey, as: friend).0
    }

    @Test("while it waits for its round is paid for, and given back")
    func unfed() throws {
        let accounts = EndpointAccounts()
        let portal = try portal(accounts)
        portal.readByteCount = .max
        let peer = try session(at: portal)
        let stream = try peer.open(.duplex, "echo")
        portal.run()
        let before = accounts.payer(for: .portal(portal.identity.publicKey)).bytes.heldCount
        peer.session.send(ByteBuffer(repeating: 7, count: 600 << 10), on: stream)
        portal.run()
        #expect(!portal.node.wantsInput)
        #expect(accounts.payer(for: .portal(portal.identity.publicKey)).bytes.heldCount > 500 << 10)
        var roundCount = 0
        while let deadline = portal.node.deadline, deadline <= portal.now, roundCount < 20 {
            roundCount += 1
            portal.node.timeReached(portal.now)
            portal.run()
        }
        let payer = accounts.payer(for: .portal(portal.identity.publicKey))
        #expect(portal.node.wantsInput && payer.bytes.heldCount <= before)
    }

    @Test("because the portal does not read is paid for, and given back")
    func unwritten() throws {
        let accounts = EndpointAccounts()
        let portal = try portal(accounts)
        let peer = try session(at: portal)
        let stream = try peer.open(.duplex, "service.open", [["name": "ssh"]])
        portal.run()
        let key = try #require(portal.asked.last)
        portal.node.serviceConnected(key)
        portal.run()
        portal.isReading = false
        for _ in 0..<3 {
            _ = portal.node.send(ByteBuffer(repeating: 3, count: 64 << 10), on: key)
            portal.run()
        }
        let payer = accounts.payer(for: .friend(friend.publicKey, invite: nil))
        #expect(payer.bytes.heldCount >= 128 << 10, "it waits with its stream, at the friend's account")
        portal.isReading = true
        portal.run()
        #expect(payer.bytes.heldCount <= 32 << 10 && peer.bytes[stream]?.readableBytes == 192 << 10)
    }

    @Test("is read no further where there is no room for it, and goes on when there is less")
    func noRoom() throws {
        var limits = EndpointAccounts.Limits()
        limits.bytes = 256 << 10
        let accounts = EndpointAccounts(limits)
        let portal = try portal(accounts)
        portal.readByteCount = 150 << 10
        let peer = try session(at: portal)
        let stream = try peer.open(.duplex, "echo")
        portal.run()
        for _ in 0..<2 { peer.session.send(ByteBuffer(repeating: 7, count: 100 << 10), on: stream) }
        portal.run()
        #expect(!portal.node.wantsInput && portal.unread.readableBytes > 0)
        portal.wait(.milliseconds(10))
        #expect(portal.node.wantsInput && portal.unread.readableBytes == 0)
        #expect(peer.bytes[stream]?.readableBytes == 200 << 10 || peer.ends[stream] != nil)
    }

    @Test("is read while a service has much to send: that waits with its stream")
    func muchToSend() throws {
        var limits = EndpointAccounts.Limits()
        limits.bytes = 256 << 10
        let portal = try portal(EndpointAccounts(limits))
        let peer = try session(at: portal)
        let stream = try peer.open(.duplex, "service.open", [["name": "ssh"]])
        portal.run()
        let key = try #require(portal.asked.last)
        portal.node.serviceConnected(key)
        portal.run()
        portal.isReading = false
        #expect(!portal.node.send(ByteBuffer(repeating: 3, count: 64 << 10), on: key))
        #expect(portal.node.wantsInput && portal.node.outboundByteCount <= 32 << 10)
        portal.isReading = true
        portal.run()
        #expect(portal.node.wantsInput && portal.unread.readableBytes == 0)
        #expect(peer.bytes[stream]?.readableBytes == 64 << 10)
    }

    @Test("because it has not come whole is read again once others have made room, and the portal is kept")
    func noRoomForPart() throws {
        var limits = EndpointAccounts.Limits()
        limits.bytes = 256 << 10
        let accounts = EndpointAccounts(limits)
        let portal = try portal(accounts)
        let (_, tunnel) = try portal.friend(
            ["target": .string(endpoint.publicKey.id)], of: endpoint.publicKey, as: friend)
        var others = accounts.payer(for: .portal(portal.identity.publicKey)).bytes.charge(96 << 10)
        #expect(others != nil)
        // As a portal in JavaScript sends a packet of 64 KiB: in many frames, of which the last ones come late.
        try portal.outer.session.muxrpc.send(ByteBuffer(repeating: 7, count: 64 << 10), on: tunnel)
        var bytes = ByteBuffer()
        while let next = portal.outer.nextOutbound() { bytes.writeImmutableBuffer(next) }
        let first = bytes.readSlice(length: 60 << 10)
        portal.node.receive(try #require(first), at: portal.now)
        portal.run()
        #expect(!portal.node.wantsInput)
        portal.wait(.seconds(120))
        #expect(!portal.node.wantsInput && portal.node.phase == .running)
        others = nil
        portal.wait(.milliseconds(100))
        #expect(portal.node.wantsInput)
        portal.node.receive(bytes, at: portal.now)
        portal.run()
        #expect(portal.node.wantsInput && portal.node.phase == .running)
    }

    @Test("of what comes behind a hello is little, whatever was sent")
    func early() throws {
        let accounts = EndpointAccounts()
        let portal = try portal(accounts)
        portal.readByteCount = 256 << 10
        portal.looksAtOnce = false
        for number in 0..<64 {
            let tunnel = try portal.connect(["target": .string(endpoint.publicKey.id)])
            let caller = HandmadeCaller(
                seed: UInt64(number), network: portal.network, server: endpoint.publicKey, as: friend,
                stranger: friend)
            var bytes = ByteBuffer(bytes: try caller.hello())
            bytes.writeRepeatingByte(9, count: 200 << 10)
            portal.outer.session.send(bytes, on: tunnel)
            portal.run()
        }
        #expect(portal.works.count == 64)
        // Sessions pay from the start on: 4 KiB each, and what an account draws with that.
        let payer = accounts.payer(for: .portal(portal.identity.publicKey))
        #expect((64 * 4096...1 << 20).contains(payer.bytes.heldCount))
    }
}
