import Foundation
import NATS
import NIOCore
import PeerSupport
import Testing
import Transport

@Suite("NATS: the thread that publishes", .serialized)
struct EnginePublisherTests {
    private func connected(_ server: NATSServer) async throws -> (NATSConnection, Watched<[NATSEvent]>) {
        let events = Watched<[NATSEvent]>([])
        let connection = try NATSConnection(NATSSettings(servers: [server.address], name: "test")) { event in
            events.update { $0.append(event) }
        }
        _ = try await events.first { $0.contains(.connected) ? true : nil }
        return (connection, events)
    }

    @Test("publishes in order, and does what blocks beside it")
    func order() async throws {
        let server = try await NATSServer()
        let (connection, _) = try await connected(server)
        let (listener, _) = try await connected(server)
        let taken = Watched<[[UInt8]]>([])
        let subscription = try listener.subscribe(to: "cw.x.q") { message in
            taken.update { $0.append(message.payload) }
        }
        try listener.flush()
        let publisher = EnginePublisher(connection)
        for number in 0..<2_000 { publisher.publish([UInt8(number & 0xff)], to: "cw.x.q") }
        try await publisher.perform { try $0.flush() }.get()
        let all = try await taken.first { $0.count >= 2_000 ? $0 : nil }
        let expected = (0..<2_000).map { number in [UInt8(number & 0xff)] }
        #expect(all == expected)
        #expect(publisher.counts.published == 2_000)
        try await publisher.close()
        withExtendedLifetime(subscription) {}
    }

    @Test("drops the oldest beyond its bound, and what has waited too long, and counts both")
    func bounds() async throws {
        let server = try await NATSServer()
        let (connection, _) = try await connected(server)
        let publisher = EnginePublisher(connection)
        let gate = DispatchSemaphore(value: 0)
        let blocked = publisher.perform { _ in gate.wait() }
        let old = NIODeadline.now() - EnginePublisher.maximumAge
        for _ in 0..<10 { publisher.publish([1], to: "cw.x.q", at: old) }
        for _ in 0..<EnginePublisher.limit { publisher.publish([2], to: "cw.x.q") }
        #expect(publisher.waitingCount == EnginePublisher.limit)
        #expect(publisher.counts.crowdedOut == 10)
        for _ in 0..<5 { publisher.publish([3], to: "cw.x.q", at: old) }
        gate.signal()
        try await blocked.get()
        while publisher.waitingCount > 0 { try await publisher.perform { _ in }.get() }
        try await publisher.perform { _ in }.get()
        #expect(publisher.counts.crowdedOut == 15)
        #expect(publisher.counts.outdated == 5)
        #expect(publisher.counts.published == EnginePublisher.limit - 5)
        try await publisher.close()
    }

    @Test("hands over nothing that was published without a server, when it comes back")
    func withoutServer() async throws {
        let server = try await NATSServer()
        let (connection, events) = try await connected(server)
        let publisher = EnginePublisher(connection)
        server.kill()
        _ = try await events.first { $0.contains(.disconnected) ? true : nil }
        for _ in 0..<100 { publisher.publish([1], to: "cw.x.q") }
        while publisher.waitingCount > 0 { try await publisher.perform { _ in }.get() }
        try await publisher.perform { _ in }.get()
        #expect(publisher.counts.disconnected == 100)
        try await server.start()
        _ = try await events.first { $0.count { $0 == .connected } > 1 ? true : nil }
        #expect(publisher.counts.published == 0)
        try await publisher.close()
    }
}
