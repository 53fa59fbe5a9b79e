internal import Transport
internal import Tunnel

/// How long somebody who is busy is asked again.
///
/// A portal or a node that is at a limit says `busy`, with or without words behind a colon; a portal that cannot even say
/// that closes the connection. Most limits give way in a moment; one that does not is said to the user as what it may be.
package enum BusyTime {
    /// How long to ask again.
    package static let limit = Duration.seconds(5)
    /// How often at least, where each time takes long, as over a slow line.
    private static let leastCount = 6
    /// How long to wait in between: a random part of it, lest all who were refused come back together.
    private static let pause = Duration.milliseconds(400)
    private static let shortestPart = 0.1

    /// Whether an error of a peer says that it is at a limit.
    package static func isBusy(_ words: String) -> Bool { words == "busy" || words.hasPrefix("busy:") }

    /// Whether it is the portal, which then answers every call of the connection so, and closes it.
    ///
    /// Source: docs/protocol.md, "Busy".
    private static func isPortalBusy(_ words: String) -> Bool {
        words.hasPrefix("busy: too many connections")
    }

    /// Does something, again and again while it comes to what may be a limit; `body` is told until when.
    package static func run<Value>(
        for limit: Duration = BusyTime.limit, _ body: (ContinuousClock.Instant) async throws -> Value
    ) async throws -> Value {
        let deadline = ContinuousClock.now + limit
        var count = 0
        while true {
            do {
                count += 1
                return try await body(deadline)
            } catch let failure as HopFailure where failure.mayPass {
                // A target has been asked often enough by ``openTunnel(until:_:)``; and whoever ends connections without
                // a word may take long over each, but is asked once more.
                let least =
                    if case .busy(let words) = failure { isPortalBusy(words) ? leastCount : 1 } else { 2 }
                guard ContinuousClock.now < deadline || count < least else { throw failure }
                try await sleep()
            }
        }
    }

    /// Opens a tunnel, again and again while the target is busy.
    static func openTunnel(
        until deadline: ContinuousClock.Instant, _ body: () async throws -> SessionID
    ) async throws -> SessionID {
        var count = 0
        while true {
            do {
                count += 1
                return try await body()
            } catch SessionFailure.targetNotThere(let words) where isBusy(words) && !isPortalBusy(words) {
                guard ContinuousClock.now < deadline || count < leastCount else {
                    throw SessionFailure.targetNotThere(words)
                }
                try await sleep()
            }
        }
    }

    private static func sleep() async throws {
        try await Task.sleep(for: pause * Double.random(in: shortestPart..<1))
    }
}
