package import Cluster
package import Keyring
package import Logging
internal import Multiserver
internal import NATS
internal import Synchronization
package import TypedSodium

/// The log of a cluster's policy, followed by this machine's keyring, and appended to for it.
///
/// Every change is in the log before it counts anywhere, and then counts on every machine; but for denials, which count
/// here at once, are said to the other machines by the engine, and get into the log when they can.
///
/// ### Invariants
/// - The mark never falls.
/// - A change that is answered for is in the log, and in this machine's keyring.
package final class SharedPolicy: ClusterPolicy {
    /// How long a change is tried.
    package static let patience = Duration.seconds(15)
    /// How long a denial is tried before it is left to ``run()``.
    private static let denialPatience = Duration.seconds(4)
    /// A machine that has followed the log before waits so long for NATS when it starts.
    private static let startPatience = Duration.seconds(3)
    private static let pause = Duration.milliseconds(250)
    /// So long the stream is to have three copies, where there may be three servers.
    private static let replicaPatience = Duration.seconds(10)

    /// How far a denial has come.
    package enum DenialStanding: Equatable, Sendable {
        /// It stands in the log.
        case logged
        /// It counts here, and on the machines that hear of it; the log has yet to say so, because of this.
        case urgent(String)
    }

    private struct State {
        var mark: PolicyMark
        var heard: UInt64 = 0
        var standing = ClusterPolicyStatus.Standing.behind("it was not read yet")
        var isEngineUp = true
        var urgent: [PublicKey: UrgentDenial] = [:]
        var told: [UrgentDenial] = []
        var requestCount: UInt64 = 0
    }

    private let keyring: Keyring
    private let membership: MembershipLog
    private let keeper: LogKeeper
    private let caller: any EngineCaller
    private let logger: Logger
    private let state: Mutex<State>
    private let tell: Mutex<@Sendable (ClusterPolicyEvent) -> Void>
    private let kicks = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))

    /// The log of a portal, in a keyring of its home.
    ///
    /// - Throws: `KeyringError`; `SodiumError`.
    package init(
        _ keyring: Keyring, of portal: Identity, through caller: any EngineCaller, logger: Logger
    ) throws {
        self.keyring = keyring
        self.caller = caller
        self.logger = logger
        let membership = Membership(keyring).log
        self.membership = membership
        let mark = PolicyMark(try membership.state().place)
        let marks = MarkRelay()
        keeper = try LogKeeper(membership, ClusterSeal(ClusterKeys(portal: portal))) { marks.tell($0) }
        state = Mutex(State(mark: mark))
        tell = Mutex({ _ in })
        marks.take { [weak self] in self?.reached($0) }
    }

    // MARK: What the engine sees

    package var mark: PolicyMark { state.withLock { $0.mark } }

    package var status: ClusterPolicyStatus {
        state.withLock {
            ClusterPolicyStatus(
                mark: $0.mark, standing: $0.standing, urgentDenialCount: $0.told.count)
        }
    }

    package func follow(_ tell: @escaping @Sendable (ClusterPolicyEvent) -> Void) {
        self.tell.withLock { $0 = tell }
        tell(.mark(mark))
    }

    package func heard(_ mark: PolicyMark) {
        let isAhead = state.withLock { state in
            defer { state.heard = max(state.heard, mark.index) }
            return mark.index > max(state.mark.index, state.heard)
        }
        if isAhead { kicks.continuation.yield() }
    }

    package func heard(_ denials: [UrgentDenial]) {
        let fresh = state.withLock { state in
            denials.filter { state.urgent[$0.key] == nil && (keeper.allowance(of: $0.key) ?? 0) <= $0.index }
        }
        guard !fresh.isEmpty else { return }
        Task {
            do {
                let wanted = fresh.map { Denial(key: $0.key, since: $0.since) }
                _ = try await Blocking.run { [membership] in try membership.denyUrgently(wanted) }
                logger.notice(
                    "another machine denies keys before the log does",
                    metadata: ["ids": "\(fresh.map(\.key.id).joined(separator: " "))"])
                kicks.continuation.yield()
            } catch {
                logger.error(
                    "a denial of another machine could not be kept",
                    metadata: ["reason": "\(ErrorWords.text(of: error))"])
            }
        }
    }

    package func engineChanged(isUp: Bool) {
        state.withLock { state in
            state.isEngineUp = isUp
            if !isUp, state.standing == .current { state.standing = .behind("NATS is away") }
        }
        kicks.continuation.yield()
    }

    // MARK: Starting and following

    package func start() async throws {
        let isFollower = try await Blocking.run { [membership] in
            (followed: try membership.rejoin(), state: try membership.state())
        }
        guard isFollower.followed else { throw ClusterPolicyFailure.changedAlone }
        let knowsLog = isFollower.state.place.index > 0
        do {
            try await begin(for: knowsLog ? Self.startPatience : Self.patience)
        } catch ClusterPolicyFailure.unavailable(let reason) {
            stand(.behind(reason))
            guard knowsLog else { throw ClusterPolicyFailure.noEngine(reason) }
            logger.warning(
                "the log of policy could not be read: what this machine has of it counts",
                metadata: ["reason": "\(reason)", "record": "\(mark.index)"])
        } catch let failure as ClusterPolicyFailure where failure.freezes {
            stand(.frozen("\(failure)"))
        }
    }

    private func begin(for patience: Duration) async throws {
        let started = ContinuousClock.now
        try await trying(for: patience) { [self] in
            do {
                try await call { keeper, connection in try keeper.begin(connection, replicas: 3) }
            } catch NATSError.tooFewServers(let isAlone) {
                guard isAlone || ContinuousClock.now - started > Self.replicaPatience else {
                    throw NATSError.tooFewServers(isAlone: false)
                }
                try await call { keeper, connection in try keeper.begin(connection, replicas: 1) }
                logger.warning(
                    "the log of policy has one copy: NATS has fewer than three servers",
                    metadata: [
                        "remedy":
                            "run three servers, and then: nats stream edit --replicas 3 \(keeper.logName)"
                    ])
            }
            return true
        }
        stand(.current)
    }

    package func run() async {
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask { await self.tick() }
            for await _ in self.kicks.stream {
                if Task.isCancelled { break }
                await self.look()
            }
            tasks.cancelAll()
        }
    }

    /// Has it looked again where something may have changed: the keyring, or, every few seconds, anything.
    private func tick() async {
        var (seen, rounds) = (keyring.stateNumber, 0)
        while !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(200))
            rounds += 1
            let number = keyring.stateNumber
            if number != seen || rounds.isMultiple(of: 25) { kicks.continuation.yield() }
            seen = number
        }
    }

    /// Reads the log where there may be more of it, and tries to get urgent denials into it.
    private func look() async {
        await noteUrgency()
        let (isUp, isFrozen) = state.withLock { state -> (Bool, Bool) in
            if case .frozen = state.standing { return (state.isEngineUp, true) }
            return (state.isEngineUp, false)
        }
        guard isUp else { return }
        do {
            try await call { keeper, connection in
                // Somebody may have brought the right store back.
                if isFrozen { try keeper.restart() }
                try keeper.follow(connection)
            }
            stand(.current)
            if status.urgentDenialCount > 0 { try await log(urgent: Self.denialPatience) }
        } catch {
            note(error)
        }
        await noteUrgency()
    }

    private func note(_ error: any Error) {
        if let failure = error as? ClusterPolicyFailure, failure.freezes {
            stand(.frozen("\(failure)"))
        } else {
            stand(.behind(ErrorWords.text(of: error)))
        }
    }

    /// Tells which denials the log does not have yet, where they are others than before.
    private func noteUrgency() async {
        let urgent = (try? await Blocking.run { [membership] in try membership.urgentDenials() }) ?? []
        let news = state.withLock { state -> [UrgentDenial]? in
            let known = state.urgent
            state.urgent = [:]
            for denial in urgent {
                state.urgent[denial.key] =
                    known[denial.key]
                    ?? UrgentDenial(key: denial.key, since: denial.since, index: state.mark.index)
            }
            let list = urgent.compactMap { state.urgent[$0.key] }
            guard list != state.told else { return nil }
            state.told = list
            return list
        }
        if let news { emit(.denials(news)) }
    }

    private func reached(_ mark: PolicyMark) {
        let isFurther = state.withLock { state in
            guard mark.index > state.mark.index else { return false }
            state.mark = mark
            return true
        }
        if isFurther { emit(.mark(mark)) }
    }

    private func emit(_ event: ClusterPolicyEvent) { tell.withLock { $0 }(event) }

    private func stand(_ standing: ClusterPolicyStatus.Standing) {
        let former = state.withLock { state in
            defer { state.standing = standing }
            return state.standing
        }
        guard former != standing else { return }
        switch standing {
        case .frozen(let reason):
            logger.critical(
                "the policy of this portal is frozen: its log cannot be believed",
                metadata: ["reason": "\(reason)"])
        case .behind(let reason):
            logger.debug("the log of policy cannot be read", metadata: ["reason": "\(reason)"])
        case .current:
            if case .frozen = former { logger.notice("the log of policy is right again, and followed") }
        }
    }

    // MARK: Changes

    /// Has changes made by a record of the log, all at once; returns when they count here.
    ///
    /// - Returns: what came of each, in their order.
    /// - Throws: ``ClusterPolicyFailure``; `KeyringError`.
    package func make(_ changes: [PolicyChange]) async throws -> [PolicyOutcome] {
        let outcomes = try await submit(for: Self.patience) { _ in changes }
        if outcomes.contains(.importUnderWay) { throw ClusterPolicyFailure.importUnderWay }
        return outcomes
    }

    /// Redeems invites: each admits as many as it may on all machines together, and the first in the log are those.
    ///
    /// - Returns: what came of each, in their order.
    /// - Throws: ``ClusterPolicyFailure``; `KeyringError`.
    package func redeem(_ requests: [MemberRequest]) async throws -> [Redemption] {
        let foreseen = Mutex<[Redemption?]>([])
        let outcomes = try await submit(for: Self.patience) { membership throws(KeyringError) in
            // Others may have been faster: who is refused by now needs no record.
            let redemptions = try membership.foresee(requests, now: WallClock.seconds())
            foreseen.withLock { $0 = redemptions }
            return zip(requests, redemptions).compactMap { $1 == nil ? .redemption($0) : nil }
        }
        var rest = outcomes[...]
        return try foreseen.withLock { $0 }.map { redemption in
            if let redemption { return redemption }
            switch rest.popFirst() {
            case .redemption(let redemption): return redemption
            case .importUnderWay: throw ClusterPolicyFailure.importUnderWay
            case .refused(let error): throw error
            default: throw ClusterPolicyFailure.unavailable("the log says nothing of it")
            }
        }
    }

    /// Serves somebody in nothing any more: here at once, everywhere as soon as can be.
    ///
    /// - Throws: ``ClusterPolicyFailure/tooManyDenials(limit:)``; `KeyringError`.
    package func deny(_ key: PublicKey) async throws -> DenialStanding {
        let denial = Denial(key: key, since: WallClock.seconds())
        let urgency = try await Blocking.run { [membership] in try membership.denyUrgently([denial]) }
        if case .tooMany(let limit) = urgency { throw ClusterPolicyFailure.tooManyDenials(limit: limit) }
        await noteUrgency()
        do {
            try await log(urgent: Self.denialPatience)
            await noteUrgency()
            return .logged
        } catch {
            return .urgent(ErrorWords.text(of: error))
        }
    }

    /// Gets the urgent denials into the log.
    private func log(urgent patience: Duration) async throws {
        _ = try await submit(for: patience) { membership throws(KeyringError) in
            try membership.urgentDenials().prefix(PolicyChanges.limit).map { .denial($0.key) }
        }
    }

    private func submit(
        for patience: Duration, _ plan: @escaping LogKeeper.Plan
    ) async throws -> [PolicyOutcome] {
        let request = state.withLock { state in
            state.requestCount += 1
            return state.requestCount
        }
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
            _ = try? await call { keeper, _ in keeper.abandon(request) }
            throw error
        }
        return made.withLock { $0 }
    }

    // MARK: Beginning a log

    /// Begins the log with this keyring.
    ///
    /// - Returns: how many records it has now.
    /// - Throws: ``ClusterPolicyFailure``; `KeyringError`.
    package func beginFromKeyring() async throws -> Int {
        let parts = Mutex<[PolicyChange]>([])
        let started = ContinuousClock.now
        try await trying(for: Self.patience) { [self] in
            let made: [PolicyChange]
            do {
                made = try await call { try $0.beginImport($1, replicas: 3) }
            } catch NATSError.tooFewServers(let isAlone) {
                guard isAlone || ContinuousClock.now - started > Self.replicaPatience else {
                    throw NATSError.tooFewServers(isAlone: false)
                }
                made = try await call { try $0.beginImport($1, replicas: 1) }
            }
            parts.withLock { $0 = made }
            return true
        }
        for part in parts.withLock({ $0 }) { _ = try await submit(for: Self.patience) { _ in [part] } }
        return Int(mark.index)
    }

    /// Takes the log's word for everything that this keyring says of the portal.
    ///
    /// - Throws: ``ClusterPolicyFailure``; `KeyringError`.
    package func adopt() async throws {
        // Not before the log is seen to be there: an empty keyring would begin another.
        try await trying(for: Self.patience) { [self] in
            try await call { try $0.find($1) }
            return true
        }
        try await Blocking.run { [membership, keeper] in
            try membership.forget()
            try keeper.restart()
        }
        state.withLock { $0.mark = PolicyMark() }
        try await begin(for: Self.patience)
    }

    // MARK: Calls

    private func call<Result: Sendable>(
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

/// Passes marks on to what does not stand yet when they may first come.
private final class MarkRelay: Sendable {
    private let content = Mutex<@Sendable (PolicyMark) -> Void>({ _ in })

    func take(_ tell: @escaping @Sendable (PolicyMark) -> Void) { content.withLock { $0 = tell } }

    func tell(_ mark: PolicyMark) { content.withLock { $0 }(mark) }
}
