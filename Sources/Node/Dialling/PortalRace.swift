internal import Multiserver

/// Dials several portals with a short head start for each, and takes the first session that stands.
///
/// Source of the method: RFC 8305, section 5, which does so for a name's addresses. A portal that does not answer
/// costs its head start; one that refuses costs nothing, because the next is dialled at once.
struct PortalRace: Sendable {
    /// What a portal gets before the next is dialled beside it.
    ///
    /// Source: RFC 8305, section 8: the recommended delay.
    static let headStart = Duration.milliseconds(250)

    private enum Outcome {
        case connected(PeerConnection)
        case failed(HopFailure)
        case headStartOver(of: Int)
    }

    let ways: [Route.Way]
    let attempt: @Sendable (Route.Way) async throws -> PeerConnection

    /// Runs until one has won or all have failed.
    ///
    /// What is under way when it returns is closed as soon as it stands; nobody waits for that.
    /// - Throws: ``HopFailure`` of the attempt that got furthest, or `CancellationError`.
    func run() async throws -> PeerConnection {
        let (outcomes, continuation) = AsyncStream.makeStream(of: Outcome.self)
        var startedCount = 0
        var failures: [HopFailure] = []
        func startNext() {
            guard startedCount < ways.count else { return }
            start(ways[startedCount], number: startedCount, continuation)
            startedCount += 1
        }
        startNext()
        var winner: PeerConnection?
        race: for await outcome in outcomes {
            switch outcome {
            case .connected(let connection):
                winner = connection
                break race
            case .failed(let failure):
                failures.append(failure)
                guard failures.count < ways.count else { break race }
                startNext()
            case .headStartOver(let number):
                if number == startedCount - 1 { startNext() }
            }
        }
        continuation.finish()
        for await case .connected(let late) in outcomes { await late.close() }
        if let winner { return winner }
        guard let furthest = failures.max(by: { $0.progress < $1.progress }), failures.count == ways.count
        else {
            throw CancellationError()
        }
        throw furthest
    }

    /// In a task of its own: a connection attempt cannot be called back, and must not be waited for.
    private func start(
        _ way: Route.Way, number: Int, _ continuation: AsyncStream<Outcome>.Continuation
    ) {
        let attempt = attempt
        Task {
            do {
                let connection = try await attempt(way)
                if case .terminated = continuation.yield(.connected(connection)) { await connection.close() }
            } catch {
                continuation.yield(.failed(HopFailure(error)))
            }
        }
        Task {
            try? await Task.sleep(for: Self.headStart)
            continuation.yield(.headStartOver(of: number))
        }
    }
}
