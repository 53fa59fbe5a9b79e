import Multiserver
import MuxRPC
import NIOCore
import Node
import SecretHandshake
import Synchronization
import TestSupport
import Testing
import Transport
import Tunnel
import TypedSodium

/// Over real sockets: a path that falls silent while its ends think that they are connected.
@Suite("A path that has gone", .timeLimit(.minutes(2)))
struct SilentPathTests {
    /// Connects to a portal through a forwarder.
    private func run(
        _ body: @escaping @Sendable (Forwarder, NodeLink) async throws -> Void
    ) async throws {
        try await TestedPortal.run { portal, eventLoop in
            let forwarder = Forwarder(to: portal.address.net)
            try await forwarder.run { net in
                let caller = Caller(identity: try .random(), network: .scuttlebutt)
                let link = try await caller.connect(
                    toPortal: PeerAddress(net: net, key: portal.address.key), on: eventLoop)
                _ = try await link.call(["whoami"])
                try await body(forwarder, link)
                await link.close()
            }
        }
    }

    /// When a link ends, by its event loop's word: tasks wait for a thread while other tests run.
    private static func end(of link: NodeLink) -> SharedEnd {
        let end = SharedEnd()
        link.ended.whenComplete { _ in end.note() }
        return end
    }

    @Test("is noticed 10 s after something was sent, and not before")
    func gone() async throws {
        try await run { forwarder, link in
            forwarder.set(.silent)
            let start = ContinuousClock.now
            let end = Self.end(of: link)
            let call = Task { () -> Reply? in try? await link.call(["whoami"]) }
            let failure = try await link.ended.get()
            #expect(failure == .timedOut)
            let time = try #require(end.time) - start
            #expect(time >= .milliseconds(9_900) && time < .seconds(15), "\(time)")
            let reply = await call.value
            #expect(reply == nil)
        }
    }

    @Test("is not taken for one on which much is on the way, slowly")
    func slow() async throws {
        try await run { forwarder, link in
            forwarder.set(.draining)
            let text = JSONValue.string(String(repeating: "x", count: 3_000))
            let calls = (0..<100).map { _ in Task { () -> Reply? in try? await link.call(["whoami"], [text]) }
            }
            let end = Self.end(of: link)
            try await Task.sleep(for: .milliseconds(14_500))
            let isOver = end.time != nil
            #expect(!isOver, "it goes on as long as the other system takes more")
            // Now it takes no more.
            forwarder.set(.silent)
            let start = ContinuousClock.now
            let failure = try await link.ended.get()
            #expect(failure == .timedOut)
            let time = try #require(end.time) - start
            #expect(time < .seconds(20), "\(time)")
            for call in calls {
                let reply = await call.value
                #expect(reply == nil)
            }
        }
    }
}

/// When something has ended.
private final class SharedEnd: Sendable {
    private let instant = Mutex<ContinuousClock.Instant?>(nil)

    var time: ContinuousClock.Instant? { instant.withLock(\.self) }

    func note() { instant.withLock { $0 = .now } }
}
