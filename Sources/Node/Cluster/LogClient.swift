internal import Cluster
internal import Keyring
internal import Logging
internal import NATS
internal import Synchronization

/// Asks the keeper of a log for its steps, again and again where NATS does not answer, and up to a time.
final class LogClient: Sendable {
    private static let pause = Duration.milliseconds(250)
    /// So long the stream is to have three copies, where there may be three servers.
    private static let replicaPatience = Duration.seconds(10)

    /// What reads and appends.
    let keeper: LogKeeper
    private let caller: any EngineCaller
    private let logger: Logger
    private let requestCount = Atomic<UInt64>(0)

    init(_ keeper: LogKeeper, _ caller: any EngineCaller, _ logger: Logger) {
        self.keeper = keeper
        self.caller = caller
        self.logger = logger
    }

    /// Finds the log, or begins it, and applies it to its end.
    ///
    /// - Throws: ``ClusterPolicyFailure``; `KeyringError`.
    func begin(for patience: Duration) async throws {
        try await withReplicas(for: patience) { try $0.begin($1, replicas: $2) }
    }

    /// Finds the log.
    ///
    /// - Throws: ``ClusterPolicyFailure/noLog`` among others.
    func find(for patience: Duration) async throws {
        try await trying(for: patience) { [self] in
            try await call { try $0.find($1) }
            return true
        }
    }

    /// Prepares the keyring to be the beginning of the log.
    ///
    /// - Returns: what its records have to be.
    /// - Throws: ``ClusterPolicyFailure``; `KeyringError`.
    func beginImport(for patience: Duration) async throws -> [PolicyChange] {
        try await withReplicas(for: patience) { try $0.beginImport($1, replicas: $2) }
    }

    /// Does what may make the stream: with three copies, or with one where there are no three servers.
    private func withReplicas<Result: Sendable>(
        for patience: Duration,
        _ body: @escaping @Sendable (LogKeeper, NATSConnection, Int) throws -> Result
    ) async throws -> Result {
        let result = Mutex<Result?>(nil)
        let started = ContinuousClock.now
        try await trying(for: patience) { [self] in
            let made: Result
            do {
                made = try await call { try body($0, $1, 3) }
            } catch NATSError.tooFewServers(let isAlone) {
                guard isAlone || ContinuousClock.now - started > Self.replicaPatience else {
                    throw NATSError.tooFewServers(isAlone: false)
                }
                made = try await call { try body($0, $1, 1) }
                logger.warning(
                    "the log of policy has one copy: NATS has fewer than three servers",
                    metadata: [
                        "remedy":
                            "run three servers, and then: nats stream edit --replicas 3 \(keeper.logName)"
                    ])
            }
            result.withLock { $0 = made }
            return true
        }
        guard let made = result.withLock({ $0 }) else {
            throw ClusterPolicyFailure.unavailable("it broke off")
        }
        return made
    }

    /// Has in the log what a plan wants.
    ///
    /// - Returns: what came of each change, in their order.
    /// - Throws: ``ClusterPolicyFailure``; `KeyringError`.
    func submit(
        for patience: Duration, _ plan: @escaping LogKeeper.Plan
    ) async throws -> [PolicyOutcome] {
        let request = requestCount.add(1, ordering: .relaxed).newValue
        let made = Mutex<[PolicyOutcome]>([])
        do {
            try await trying(for: patience) { [self] in
                let attempt = try await call { try $0.attempt(request, plan, $1) }
                switch attempt {
                case .made(let outcomes):
                    made.withLock { $0 = outcomes }
                    return true
                case .outrun: return false
                case .waits: throw NATSError.outdated
                case .unanswered(let error): throw error
                }
            }
        } catch {
            // Also where there is no connection: the changes of others would wait behind it for ever.
            guard let made = keeper.abandon(request) else { throw error }
            return made
        }
        return made.withLock { $0 }
    }

    /// Has something done on the thread that may wait.
    ///
    /// - Throws: what `body` throws.
    func call<Result: Sendable>(
        _ body: @escaping @Sendable (LogKeeper, NATSConnection) throws -> Result
    ) async throws -> Result {
        try await caller.call { [keeper] connection in try body(keeper, connection) }
    }

    /// Tries until it is done, or NATS has not made it possible for a time.
    ///
    /// - Throws: ``ClusterPolicyFailure/unavailable(_:)`` then; what is not NATS' fault at once.
    private func trying(
        for patience: Duration, _ body: @escaping @Sendable () async throws -> Bool
    ) async throws {
        let end = ContinuousClock.now + patience
        var reason = "others were faster"
        repeat {
            do {
                if try await body() { return }
                // Machines that have been refused together do not come back together.
                try await Task.sleep(for: .milliseconds(.random(in: 1...20)))
            } catch let error as NATSError {
                reason = error.description
                try await Task.sleep(for: Self.pause)
            }
        } while ContinuousClock.now < end
        throw ClusterPolicyFailure.unavailable(reason)
    }
}
