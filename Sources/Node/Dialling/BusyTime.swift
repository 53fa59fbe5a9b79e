internal import Transport
internal import Tunnel

/// How whoever may be at a limit is asked again: for a time, and six times at least where each takes long, as over a slow
/// line.
///
/// A portal or a node that is at a limit says `busy`, with or without words behind a colon; a portal that cannot even say
/// that closes the connection. Most limits give way in a moment; one that does not is said to the user as what it may be.
///
/// Source: docs/protocol.md, "Busy".
package struct BusyTime: Sendable {
    /// How often at least.
    package static let leastCount = 6
    private static let shortestPart = 0.1

    /// For how long.
    package var limit: Duration
    /// How long to wait in between: a random part of it, lest all who were refused come back together.
    package var pause: Duration

    /// The time that a user waits for, unless something else is said.
    package init(limit: Duration = .seconds(5), pause: Duration = .milliseconds(400)) {
        self.limit = limit
        self.pause = pause
    }

    /// Whether an error of a peer says that it is at a limit.
    package static func isBusy(_ words: String) -> Bool { words == "busy" || words.hasPrefix("busy:") }

    /// Does something, again and again while it comes to what may be a limit.
    package func run<Value>(_ body: (inout Asking) async throws -> Value) async throws -> Value {
        var asking = Asking(self)
        return try await asking.run(while: { ($0 as? HopFailure)?.mayPass == true }, body)
    }

    /// How often and how long has been asked: one for the portals and for the targets behind them.
    package struct Asking {
        private let time: BusyTime
        private let deadline: ContinuousClock.Instant
        private var count = 0

        fileprivate init(_ time: BusyTime) {
            self.time = time
            deadline = .now + time.limit
        }

        /// Opens a tunnel, again and again while the target is busy.
        ///
        /// Not where the portal is: it answers every call of the connection so, and closes it.
        mutating func openTunnel(_ body: () async throws -> SessionID) async throws -> SessionID {
            try await run(while: { error in
                guard case SessionFailure.targetNotThere(let words) = error else { return false }
                return isBusy(words) && !words.hasPrefix("busy: too many connections")
            }) { _ in try await body() }
        }

        fileprivate mutating func run<Value>(
            while mayPass: (any Error) -> Bool, _ body: (inout Asking) async throws -> Value
        ) async throws -> Value {
            while true {
                do {
                    return try await body(&self)
                } catch let error where mayPass(error) {
                    count += 1
                    guard ContinuousClock.now < deadline || count < leastCount else { throw error }
                    try await Task.sleep(for: time.pause * Double.random(in: shortestPart..<1))
                }
            }
        }
    }
}
