/// Dials several portals, or hosts of one, with a short head start for each, and takes the first session that stands.
///
/// Source of the method: RFC 8305, section 5, which does so for a name's addresses. A portal that does not answer
/// costs its head start; one that refuses costs nothing, because the next is dialled at once.
struct PortalRace<Way: Sendable, Connection: Sendable>: Sendable {
    /// What a portal gets before the next is dialled beside it.
    ///
    /// Source: RFC 8305, section 8: the recommended delay.
    var headStart = Duration.milliseconds(250)
    /// What it gets beyond that where a connection stands by then: what is still to come is the way to the target.
    var standingTime = Duration.seconds(2)
    /// How long the others are still waited for once one has said that the target is not there; `nil` until they have
    /// failed too.
    ///
    /// The machines of one portal speak for each other, and one of them may be silent for as long as a handshake may take.
    var wordTime: Duration?

    private enum Outcome {
        case connected(Connection)
        case failed(HopFailure)
        case stood(Int)
        case headStartOver(of: Int)
        case waitedEnough
    }

    /// Comes to a session along a way; says when a connection stands, where more is to come behind that.
    typealias Attempt =
        @Sendable (_ way: Way, _ stood: @escaping @Sendable () -> Void) async throws -> Connection

    let ways: [Way]
    let attempt: Attempt
    /// Closes what comes to stand behind the first.
    let close: @Sendable (Connection) async -> Void

    init(
        ways: [Way], attempt: @escaping Attempt, close: @escaping @Sendable (Connection) async -> Void
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
        var standing: Set<Int> = []
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
                if let wordTime, failure.isPortalsWord { post(.waitedEnough, after: wordTime, continuation) }
            case .stood(let number): standing.insert(number)
            case .headStartOver(let number):
                guard number == startedCount - 1 else { continue }
                // Behind a portal's word there is not that much time left for the others.
                if standing.remove(number) != nil, !failures.contains(where: \.isPortalsWord) {
                    post(.headStartOver(of: number), after: standingTime, continuation)
                } else {
                    startNext()
                }
            case .waitedEnough: break race
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

    private func post(
        _ outcome: Outcome, after time: Duration, _ continuation: AsyncStream<Outcome>.Continuation
    ) {
        Task {
            try? await Task.sleep(for: time)
            continuation.yield(outcome)
        }
    }

    /// In a task of its own: a connection attempt cannot be called back, and must not be waited for.
    private func start(
        _ way: Way, number: Int, _ continuation: AsyncStream<Outcome>.Continuation
    ) {
        let (attempt, close) = (attempt, close)
        Task {
            do {
                let connection = try await attempt(way) { continuation.yield(.stood(number)) }
                if case .terminated = continuation.yield(.connected(connection)) { await close(connection) }
            } catch {
                continuation.yield(.failed(HopFailure(error)))
            }
        }
        post(.headStartOver(of: number), after: headStart, continuation)
    }
}
