import Connection
import MuxRPC
import NIOCore
import PortalCore
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("Streams with credit between two nodes")
struct NodeStreamTests {
    private let world: PortalWorld
    private let endpoint: NodePeer
    private let client: NodePeer
    private let session: SessionID

    init() throws {
        world = try PortalWorld()
        (endpoint, _) = try world.endpoint()
        (client, session) = try world.client(of: endpoint.key)
    }

    /// Bytes that repeat at a prime distance, so that no piece can stand for another.
    private func bytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
        var random = SeededRandom(seed: seed)
        let pattern = random.bytes(4099)
        var bytes = [UInt8]()
        while bytes.count < count { bytes += pattern }
        return Array(bytes.prefix(count))
    }

    /// A service's stream, both ends.
    private func open() throws -> (near: LocalEnd, far: LocalEnd) {
        let near = try client.open(.service("ssh"), on: session)
        world.run()
        let key = try #require(endpoint.asked.last?.key)
        return (near, try #require(endpoint.ends[key]))
    }

    @Test("carry megabytes both ways at once, and end when both have said all")
    func megabytes() throws {
        let (near, far) = try open()
        let (up, down) = (bytes(5 << 20), bytes(7 << 20, seed: 2))
        near.send(up, end: true)
        far.send(down, end: true)
        world.run()
        #expect(far.received == ByteBuffer(bytes: up) && near.received == ByteBuffer(bytes: down))
        #expect(near.hasReceivedEnd && far.hasReceivedEnd)
        #expect(near.close == LocalEnd.Close(failure: nil, sent: up.count, received: down.count))
        #expect(far.close == LocalEnd.Close(failure: nil, sent: down.count, received: up.count))
        #expect(endpoint.asked[0].name == "ssh" && endpoint.asked[0].friend == client.key)
    }

    @Test("are half-closed by either side first, with or without bytes", arguments: [0, 1, 300_000])
    func halfClose(_ count: Int) throws {
        for nearFirst in [true, false] {
            let (near, far) = try open()
            let (first, second) = nearFirst ? (near, far) : (far, near)
            first.send(bytes(count), end: true)
            world.run()
            #expect(second.hasReceivedEnd && second.received.readableBytes == count)
            #expect(first.close == nil && second.close == nil && !first.hasReceivedEnd)
            second.send(bytes(count, seed: 9), end: true)
            world.run()
            #expect(first.received == ByteBuffer(bytes: bytes(count, seed: 9)))
            let whole = LocalEnd.Close(failure: nil, sent: count, received: count)
            #expect(first.close == whole && second.close == whole)
        }
    }

    @Test("hold what a service gets while it is being connected, then hand it over in order")
    func connecting() throws {
        endpoint.answer = .nothing
        let near = try client.open(.service("ssh"), on: session)
        near.send(bytes(1 << 20), end: true)
        world.run()
        #expect(near.unsent.readableBytes > 700_000, "a window, and a read that waits")
        endpoint.connect(try #require(endpoint.asked.first?.key))
        world.run()
        let far = try #require(endpoint.ends.values.first)
        #expect(far.received == ByteBuffer(bytes: bytes(1 << 20)) && far.hasReceivedEnd)
    }

    @Test("are refused in words that tell why")
    func refusals() throws {
        let unknown = try client.open(.service("ftp"), on: session)
        world.run()
        #expect(unknown.close?.failure == .remote(ErrorText.unknownService))
        #expect(endpoint.events.last == .unknownService("ftp", client.key))
        endpoint.answer = .refuse(ErrorText.serviceNotListening)
        let dead = try client.open(.service("ssh"), on: session)
        dead.send(bytes(100_000), end: true)
        world.run()
        #expect(dead.close?.failure == .remote(ErrorText.serviceNotListening))
        #expect(client.ended.isEmpty && endpoint.ended.isEmpty)
    }

    @Test("that end in the middle are not taken for whole")
    func truncated() throws {
        let (near, far) = try open()
        far.send(bytes(1000))
        world.run()
        endpoint.node.refuseService(far.key, message: "the local connection was closed")
        world.run()
        #expect(near.close?.failure == .remote("the local connection was closed"))
        #expect(near.received.readableBytes == 1000)

        let (left, right) = try open()
        right.send(bytes(1000), end: true)
        world.run()
        client.node.closeTunnel(session)
        world.run()
        #expect(left.close?.failure == .truncated && right.close?.failure == .truncated)
        #expect(client.ended[session] == .some(nil))
        #expect(endpoint.node.tunnelCount == 0 && client.node.tunnelCount == 0)
        #expect(world.portal.metrics.tunnelCount == 0)
    }

    @Test("echo megabytes with credit")
    func echo() throws {
        let near = try client.open(.echo, on: session)
        near.send(bytes(6 << 20), end: true)
        world.run()
        #expect(near.received == ByteBuffer(bytes: bytes(6 << 20)))
        #expect(near.close?.failure == nil && near.close?.received == 6 << 20)
        #expect(endpoint.ends.isEmpty, "an echo is nobody's business")
    }

    @Test("do not wait for one that is stalled, nor for many", arguments: [1, 5])
    func stalled(_ count: Int) throws {
        endpoint.prepare = { $0.drains = false }
        for index in 0..<count {
            let (near, _) = try open()
            near.send(bytes(3 << 20, seed: UInt64(index)))
        }
        endpoint.prepare = { _ in }
        let lively = try (0..<2).map { _ in try open() }
        for end in lively { end.near.send(bytes(2 << 20), end: true) }
        world.run()
        for end in lively { #expect(end.far.received == ByteBuffer(bytes: bytes(2 << 20))) }

        // Those that wake up get all of theirs.
        for end in endpoint.ends.values { end.drains = true }
        world.run()
        #expect(endpoint.ends.values.allSatisfy { $0.received.readableBytes >= 2 << 20 })
        #expect(endpoint.ends.values.count { $0.received.readableBytes == 3 << 20 } == count)
    }

    @Test("share the session's credit once their windows have grown, and none is forgotten")
    func grownWindows() throws {
        let ends = try (0..<3).map { _ in try open() }
        for round in 0..<2 {
            for end in ends { end.near.send(bytes(5 << 20, seed: UInt64(round))) }
            world.run()
            for end in ends { #expect(end.far.received.readableBytes == (round + 1) * 5 << 20) }
        }
    }

    @Test("that are half-closed take nothing of the session's credit for good")
    func halfClosedCredit() throws {
        for _ in 0..<4 {
            let (near, far) = try open()
            near.send(bytes(5 << 20), end: true)
            world.run()
            #expect(far.hasReceivedEnd && far.close == nil)
        }
        let (near, far) = try open()
        near.send(bytes(5 << 20))
        world.run()
        #expect(far.received.readableBytes == 5 << 20)
    }

    @Test("are limited in number per friend, over all its sessions")
    func tooMany() throws {
        endpoint.answer = .nothing
        let second = try client.openTunnel(to: endpoint.key)
        world.run()
        let ends = try (0..<256).map {
            try client.open(.service("ssh"), on: $0.isMultiple(of: 2) ? session : second)
        }
        world.run()
        let last = try client.open(.service("ssh"), on: session)
        world.run()
        #expect(last.close?.failure == .remote(ErrorText.tooManyStreams))
        #expect(ends.allSatisfy { $0.close == nil })
        #expect(endpoint.asked.count == 256)
        // One that ends makes room.
        client.node.refuseService(ends[0].key, message: "no more")
        let next = try client.open(.service("ssh"), on: second)
        world.run()
        #expect(next.close == nil && endpoint.asked.count == 257)
    }

    @Test("under a number that is used again hear nothing of the old one's end")
    func staleKeys() throws {
        let (near, far) = try open()
        near.send(bytes(1000))
        world.run()
        client.node.refuseService(near.key, message: "no more")
        world.run()
        #expect(far.close?.failure == .remote("no more"))
        endpoint.node.drained(100_000, on: far.key)
        #expect(endpoint.node.send(ByteBuffer(string: "x"), on: far.key))
        endpoint.node.refuseService(far.key, message: "late")
        endpoint.node.serviceConnected(far.key)
        world.run()
        #expect(client.ended.isEmpty)
    }
}
