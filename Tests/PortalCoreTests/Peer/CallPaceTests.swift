@testable import PortalCore
import Connection
import MuxRPC
import NIOCore
import SecureSession
import TestSupport
import Testing
import TypedSodium

@Suite("Calls at a portal")
struct CallPaceTests {
    private static let names = ["whoami", "no.such", "manifest"]

    /// How many calls of the peer the portal has taken.
    private static func callCount(_ link: Link) -> Int {
        let count = link.connection.callCount
        return count
    }

    @Test(
        "are taken no faster than 50 a second, when there were 200, whatever is called and however it comes",
        arguments: names, [300, .max])
    func pace(name: String, readByteCount: Int) throws {
        let world = try PortalWorld()
        let (peer, link) = try world.connect(.random())
        link.readByteCount = readByteCount
        let calls = try (0..<400).map { _ in try peer.call(name) }
        world.run()
        #expect(peer.replies.count == 200 && !link.connection.wantsInput)
        #expect(Self.callCount(link) == 200)
        world.wait(.seconds(1))
        #expect((249...250).contains(peer.replies.count))
        world.wait(.seconds(4))
        #expect(peer.replies.count == calls.count && link.connection.wantsInput)
    }

    @Test("are no more than twice that where the peer leaves behind them", arguments: names)
    func end(name: String) throws {
        let world = try PortalWorld()
        let (peer, link) = try world.connect(.random())
        for _ in 0..<1000 { _ = try peer.call(name) }
        world.run()
        #expect(Self.callCount(link) == 200)
        world.drop(link)
        #expect(Self.callCount(link) == 400 && link.connection.phase == .broken)
        #expect(world.portal.metrics.connectionCount == 0)
    }

    @Test("are taken behind our goodbye and not begun, so that nothing of them waits", arguments: names)
    func goodbye(name: String) throws {
        let world = try PortalWorld()
        let (peer, link) = try world.connect(.random())
        link.isPeerReading = false
        link.connection.close(at: world.now)
        for _ in 0..<1000 { _ = try peer.call(name) }
        world.run()
        #expect(Self.callCount(link) == 1000 && link.connection.inboundByteCount == 0)
    }
}
