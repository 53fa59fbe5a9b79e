import Connection
import Multiserver
import MuxRPC
import NIOCore
import SecureSession
import TestSupport
import Testing
import Tunnel
import TypedSodium

/// What one friend makes an endpoint hold, it pays for alone.
@Suite("A friend that makes a node hold what it can")
struct GreedyFriendTests {
    /// An endpoint that knows so many friends, with books of its own.
    private struct Stage {
        let endpoint: Identity
        let friends: [Identity]
        let invite: Identity
        let accounts: EndpointAccounts
        let portal: HandmadePortal

        init(friendCount: Int = 2, change: (inout EndpointAccounts.Limits) -> Void = { _ in }) throws {
            endpoint = try .random()
            friends = try (0..<friendCount).map { _ in try .random() }
            invite = try .random()
            var limits = EndpointAccounts.Limits()
            change(&limits)
            accounts = EndpointAccounts(limits)
            let access = Dictionary(
                uniqueKeysWithValues: friends.map { ($0.publicKey, EndpointPolicy.Rights.all) })
            let policy = EndpointPolicy(
                services: ["ssh"], access: .only(access), invites: [invite.publicKey])
            portal = try HandmadePortal(node: endpoint, reception: .open(policy), accounts: accounts)
        }

        func session(of caller: Identity) throws -> (peer: SessionPeer, tunnel: StreamID) {
            try portal.friend(
                ["target": .string(endpoint.publicKey.id)], of: endpoint.publicKey, as: caller)
        }

        /// A stream to a service, connected or not.
        func open(_ friend: SessionPeer, connected: Bool = false) throws -> StreamID {
            let stream = try friend.open(.duplex, "service.open", [["name": "ssh"]])
            portal.run()
            if connected, let key = portal.asked.last { portal.node.serviceConnected(key) }
            portal.run()
            return stream
        }

        /// Carries a megabyte through one stream of an honest friend.
        func passMegabyte(of friend: SessionPeer) throws {
            let stream = try open(friend, connected: true)
            let key = try #require(portal.asked.last)
            var count = 0
            for _ in 0..<16 {
                friend.session.send(ByteBuffer(repeating: 7, count: 64 << 10), on: stream)
                portal.run()
                let received = receivedByteCount(on: key) - count
                count += received
                portal.node.drained(received, on: key)
                portal.run()
            }
            #expect(count == 1 << 20 && friend.ends[stream] == nil)
            friend.session.muxrpc.end(stream)
            portal.run()
        }

        func receivedByteCount(on key: StreamKey) -> Int {
            portal.outputs.reduce(0) { sum, output in
                guard case .service(key, .received(let bytes)) = output else { return sum }
                return sum + bytes.readableBytes
            }
        }
    }

    @Test("pays for packets that do not come whole, in all its sessions, and the others go on")
    func partialPackets() throws {
        let stage = try Stage()
        for _ in 0..<20 {
            let (peer, tunnel) = try stage.session(of: stage.friends[0])
            let stream = try peer.open(.duplex, "echo")
            stage.portal.run()
            try peer.session.muxrpc.send(ByteBuffer(repeating: 1, count: 64 << 10), on: stream)
            let frames = try #require(peer.session.nextBatch()).bodies
            for frame in frames.dropLast() { stage.portal.outer.session.send(frame, on: tunnel) }
            stage.portal.run()
        }
        #expect(stage.portal.ended.count >= 4 && stage.portal.ended.allSatisfy { $0 == .overdrawn })
        #expect(stage.accounts.heldByteCount < 2 << 20)
        let (other, _) = try stage.session(of: stage.friends[1])
        try stage.passMegabyte(of: other)
    }

    @Test("may send packets of 64 KiB in pieces, as JavaScript does")
    func cutPackets() throws {
        let stage = try Stage()
        let (peer, _) = try stage.session(of: stage.friends[0])
        let stream = try stage.open(peer, connected: true)
        let key = try #require(stage.portal.asked.last)
        for count in 1...16 {
            try peer.session.muxrpc.send(ByteBuffer(repeating: 3, count: 64 << 10), on: stream)
            stage.portal.run()
            #expect(stage.receivedByteCount(on: key) == count * 64 << 10)
            stage.portal.node.drained(64 << 10, on: key)
        }
        #expect(stage.portal.ended.isEmpty && peer.ends.isEmpty)
    }

    @Test("fills its own share with services that do not read, however many friends do", arguments: [1, 40])
    func fill(fillerCount: Int) throws {
        let byteCount = fillerCount == 1 ? 16 << 20 : 64 << 20
        let stage = try Stage(friendCount: fillerCount + 1) { $0.bytes = byteCount }
        for friend in stage.friends.dropLast() {
            let (peer, _) = try stage.session(of: friend)
            for _ in 0..<(fillerCount == 1 ? 80 : 4) {
                let stream = try stage.open(peer)
                peer.session.send(ByteBuffer(repeating: 5, count: 256 << 10), on: stream)
                stage.portal.run()
            }
            #expect(peer.ends.values.allSatisfy { $0 == ErrorText.heldTooMuch })
        }
        #expect(fillerCount > 1 || stage.portal.closes.contains(.local(ErrorText.heldTooMuch)))
        #expect(stage.accounts.heldByteCount <= byteCount)
        let (other, _) = try stage.session(of: try #require(stage.friends.last))
        try stage.passMegabyte(of: other)
        #expect(stage.portal.ended.isEmpty)
    }

    @Test("takes its share of the sockets, and hears so")
    func sockets() throws {
        let stage = try Stage { $0.descriptors = 16 }
        let (greedy, _) = try stage.session(of: stage.friends[0])
        let streams = try (0..<40).map { _ in try stage.open(greedy) }
        let refused = streams.filter { greedy.ends[$0] == ErrorText.tooManySockets }
        #expect(refused.count >= 24 && greedy.ends.count == refused.count)
        let (other, _) = try stage.session(of: stage.friends[1])
        let stream = try stage.open(other)
        #expect(other.ends[stream] == nil)
    }

    @Test("ends its session with more than a thousand tiny grants in a second")
    func tinyGrants() throws {
        let stage = try Stage()
        let (greedy, _) = try stage.session(of: stage.friends[0])
        let stream = try stage.open(greedy, connected: true)
        for _ in 0..<1000 { try greedy.session.muxrpc.send(["credit": 1], on: stream) }
        stage.portal.run()
        stage.portal.wait(.nanoseconds(0))
        #expect(stage.portal.ended.isEmpty)
        try greedy.session.muxrpc.send(["credit": 1], on: stream)
        stage.portal.run()
        #expect(stage.portal.ended == [.overdrawn])
    }

    @Test("costs little with bytes that come one by one")
    func tinyPackets() throws {
        let stage = try Stage()
        let (greedy, _) = try stage.session(of: stage.friends[0])
        let stream = try stage.open(greedy, connected: true)
        for _ in 0..<200 {
            for _ in 0..<100 { greedy.session.send(ByteBuffer(repeating: 1, count: 1), on: stream) }
            stage.portal.run()
        }
        let key = try #require(stage.portal.asked.last)
        let handed = stage.portal.events.count
        #expect(handed <= 2, "the socket has the first of it, and the rest waits in one piece")
        #expect(stage.accounts.heldByteCount < 128 << 10)
        stage.portal.node.drained(stage.receivedByteCount(on: key), on: key)
        stage.portal.run()
        #expect(stage.receivedByteCount(on: key) == 20_000)
    }

    @Test("with an invite may ask as often as it reads, and no more than 4 KiB ahead")
    func inviteCalls() throws {
        let stage = try Stage()
        let (reader, _) = try stage.session(of: stage.invite)
        for _ in 0..<200 {
            let call = try reader.call("whoami")
            stage.portal.run()
            #expect(reader.replies[call] != nil)
        }
        #expect(stage.portal.ended.isEmpty)
        stage.portal.isReading = false
        for _ in 0..<200 { _ = try reader.call("whoami") }
        stage.portal.run()
        #expect(stage.portal.ended == [.overdrawn])
        #expect(stage.portal.node.outboundByteCount < 64 << 10)
    }

    @Test("that opens, sends and closes all the time leaves nothing behind")
    func churn() throws {
        let stage = try Stage()
        let (friend, _) = try stage.session(of: stage.friends[0])
        for round in 0..<30 {
            let streams = try (0..<20).map { _ in try friend.open(.duplex, "service.open", [["name": "ssh"]])
            }
            for stream in streams { friend.session.send(ByteBuffer(repeating: 9, count: 10_000), on: stream) }
            if round.isMultiple(of: 2) { stage.portal.run() }
            for stream in streams { friend.session.muxrpc.end(stream) }
            stage.portal.run()
        }
        #expect(stage.portal.closes.count == 600 && stage.portal.ended.isEmpty)
        // What an account has drawn ahead counts, a step of 256 KiB at most.
        #expect(stage.accounts.heldByteCount < 512 << 10)
        try stage.passMegabyte(of: friend)
    }
}
