import Logging
import MuxRPC
import NIOCore
import SecureSession
import Synchronization
import Testing
import Transport

extension Hostile {
    /// Announce and leave in turns, which made 20 MB of log and lists a second.
    @Suite("Peers that announce and leave in turns")
    struct AnnounceTurns {
        /// Counts the lines of a log.
        private struct LineCounter: LogHandler {
            let count: Mutex<Int>.Reference
            var metadata: Logger.Metadata = [:]
            var logLevel = Logger.Level.info

            subscript(metadataKey key: String) -> Logger.Metadata.Value? {
                get { metadata[key] }
                set { metadata[key] = newValue }
            }

            func log(event: LogEvent) { count.add() }
        }

        @Test(
            "are followed about once a second, and answered, and others do not notice",
            .timeLimit(.minutes(1)))
        func turns() async throws {
            let count = Mutex<Int>.Reference()
            let logger = Logger(label: "test") { _ in LineCounter(count: count) }
            try await DirectoryStage.run(logger: logger) { stage in
                let watcher = try await stage.peer(from: 1)
                var peers: [DirectoryPeer] = []
                for host in 2...9 { peers.append(try await stage.peer(from: host)) }
                let before = count.value
                for peer in peers {
                    peer.send((0..<600).map { $0.isMultiple(of: 2) ? "tunnel.announce" : "tunnel.leave" })
                }
                let clock = ContinuousClock()
                let end = clock.now + .seconds(2)
                var times: [Duration] = []
                while clock.now < end {
                    times.append(try await clock.measure { _ = try await watcher.call("whoami") })
                    try await Task.sleep(for: .milliseconds(25))
                }
                times.sort()
                #expect(count.value - before <= 8 * 4, "8 peers, 2 seconds, a change each 900 ms")
                // The first 200 calls of each are read at once, which takes an unoptimised build half a second.
                #expect(times[times.count / 2] < .milliseconds(50) && times[times.count - 1] < .seconds(1))
                for peer in peers + [watcher] { try await peer.close() }
            }
        }
    }
}

extension Mutex<Int> {
    /// A counter that several hold.
    final class Reference: Sendable {
        private let count = Mutex(0)
        var value: Int { count.withLock(\.self) }
        func add() { count.withLock { $0 += 1 } }
    }
}
