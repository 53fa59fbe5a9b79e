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

/// What a portal has read of a connection that has to wait is charged to it.
@Suite("What a portal has read and not opened")
struct PortalReadTests {
    @Test("of a paused sender is charged to it, and given back")
    func paused() throws {
        let world = try PortalWorld { $0.tunnelQueueByteCount = 100_000 }
        let (endpoint, slow) = try world.announced()
        let (client, fast) = try world.connect(.random())
        let tunnel = try world.tunnel(from: client, to: endpoint)
        let before = world.portal.metrics.heldByteCount
        fast.readByteCount = 256 << 10
        slow.isPeerReading = false
        client.session.send(ByteBuffer(repeating: 1, count: 250 << 10), on: tunnel.near)
        world.run()
        #expect(!fast.connection.wantsInput)
        let metrics = world.portal.metrics
        let openedByteCount = metrics.queuedByteCount
        #expect(
            metrics.heldByteCount - openedByteCount >= 256 << 10,
            "the buffer, however little of it is left")
        slow.isPeerReading = true
        world.run()
        world.wait(.seconds(1))
        #expect(endpoint.bytes[tunnel.far]?.readableBytes == 250 << 10)
        #expect(world.portal.metrics.heldByteCount <= before + 64 << 10)
    }

    @Test("is little at first, more where all of it comes, and little while one waits and memory gets short")
    func paced() throws {
        let world = try PortalWorld {
            $0.memoryByteCount = 4 << 20
            $0.tunnelQueueByteCount = 100_000
        }
        let (endpoint, slow) = try world.announced()
        let (client, fast) = try world.connect(.random())
        let tunnel = try world.tunnel(from: client, to: endpoint)
        #expect(fast.connection.readByteCount == 32 << 10)
        fast.readByteCount = 200 << 10
        for expected in [64 << 10, 128 << 10, 128 << 10] {
            client.session.send(ByteBuffer(repeating: 1, count: 70 << 10), on: tunnel.near)
            world.run()
            #expect(fast.connection.readByteCount == expected)
        }
        slow.isPeerReading = false
        client.session.send(ByteBuffer(repeating: 1, count: 190 << 10), on: tunnel.near)
        world.run()
        #expect(!fast.connection.wantsInput && fast.connection.readByteCount == 32 << 10)
        slow.isPeerReading = true
        world.run()
        #expect(endpoint.bytes[tunnel.far]?.readableBytes == 400 << 10)
        #expect(fast.connection.readByteCount == 32 << 10, "nothing more has been read")
        for (sent, expected) in [(20, 32), (40, 64), (70, 128)] {
            client.session.send(ByteBuffer(repeating: 1, count: sent << 10), on: tunnel.near)
            world.run()
            #expect(fast.connection.readByteCount == expected << 10)
        }
    }

    @Test("of one that calls too often is charged to it; without room for it the connection goes")
    func calling() throws {
        for (poolByteCount, staysOpen) in [(64 << 20, true), (512 << 10, false)] {
            let world = try PortalWorld { $0.memoryByteCount = poolByteCount }
            let (client, link) = try world.connect(.random())
            link.readByteCount = 256 << 10
            for _ in 0..<4000 { _ = try client.call("tunnel.ping") }
            world.run()
            #expect((link.connection.phase == .running) == staysOpen)
            guard staysOpen else { continue }
            #expect(!link.connection.wantsInput)
            #expect(world.portal.metrics.heldByteCount >= 128 << 10)
        }
    }
}
