/// Dials several portals, or hosts of one, with a short head start for each, and takes the first session that stands.
///
/// Source of the method: RFC 8305, section 5, which does so for a name's addresses. A portal that does not answer
/// costs its head start; one that refuses costs nothing, because the next is dialled at once.
struct PortalRace<Way: Sendable, Connection: Sendable>: Sendable {
    /// What a portal gets before the next is dialled beside it.
    ///
    /// Source: RFC 8305, section 8: the recommended delay.
    var headStart = Duration.milliseconds(250)
    /// How long the others are still waited for once one has said that the target is not there; `nil` until they have
    /// failed too.
    ///
    /// The machines of one portal speak for each other, and one of them may be silent for as long as a handshake may take.
    var wordTime: Duration?

    private enum Outcome {
        case connected(Connection)
        case failed(HopFailure)
        case headStartOver(of: Int)
        case waitedEnough
    }

    let ways: [Way]
    let attempt: @Sendable (Way) async throws -> Connection
    /// Closes what comes to stand behind the first.
    let close: @Sendable (Connection) async -> Void

    init(
        ways: [Way], attempt: @escaping @Sendable (Way) async throws -> Connection,
        close: @escaping @Sendable (Connection) async -> Void
    ) {
        self.ways = ways
        self.attempt = attempt
        self.close = close
    }

    /// Runs until one has won or all have failed.
    ///
    /// What is under way when it returns is closed as soon as it stands; nobody waits for that.
    /// - Throws: ``HopFailure`` of the attempt that got furthest, or `CancellationError`.
    func run() async throws -> Connection {
        let (outcomes, continuation) = AsyncStream.makeStream(of: Outcome.self)
        var startedCount = 0
        var failures: [HopFailure] = []
        func startNext() {
            guard startedCount < ways.count else { return }
            start(ways[startedCount], number: startedCount, continuation)
            startedCount += 1
        }
        startNext()
        var winner: Connection?
        race: for await outcome in outcomes {
            switch outcome {
            case .connected(let connection):
                winner = connection
                break race
            case .failed(let failure):
                failures.append(failure)
                guard failures.count < ways.count else { break race }
                startNext()
                if failure.isPortalsWord { wait(continuation) }
            case .headStartOver(let number):
                if number == startedCount - 1 { startNext() }
            case .waitedEnough:
                if startedCount == ways.count { break race }
            }
        }
        continuation.finish()
        for await case .connected(let late) in outcomes { await close(late) }
        if let winner { return winner }
        guard let furthest = failures.max(by: { $0.weight < $1.weight }),
            failures.count == ways.count || !Task.isCancelled
        else { throw CancellationError() }
        throw furthest
    }

    private func wait(_ continuation: AsyncStream<Outcome>.Continuation) {
        guard let wordTime else { return }
        Task {
            try? await Task.sleep(for: wordTime)
            continuation.yield(.waitedEnough)
        }
    }

    /// In a task of its own: a connection attempt cannot be called back, and must not be waited for.
    private func start(
        _ way: Way, number: Int, _ continuation: AsyncStream<Outcome>.Continuation
    ) {
        let (attempt, close, headStart) = (attempt, close, headStart)
        Task {
            do {
                let connection = try await attempt(way)
                if case .terminated = continuation.yield(.connected(connection)) { await close(connection) }
            } catch {
                continuation.yield(.failed(HopFailure(error)))
            }
        }
        Task {
            try? await Task.sleep(for: headStart)
            continuation.yield(.headStartOver(of: number))
        }
    }
}
