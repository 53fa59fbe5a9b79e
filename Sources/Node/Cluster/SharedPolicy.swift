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
/// - A keyring is changed by the log only once ``start()`` has found that it may follow it.
/// - A change that is answered for is in the log, and in this machine's keyring.
package final class SharedPolicy: ClusterPolicy {
    /// How long a change is tried.
    package static let patience = Duration.seconds(15)
    /// How long a denial is tried before it is left to ``run()``.
    private static let denialPatience = Duration.seconds(4)
    /// A machine that has followed the log before waits so long for NATS when it starts.
    private static let startPatience = Duration.seconds(3)

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
        /// Whether the keyring was seen to be one that may follow the log.
        var hasBegun = false
        var urgent: [PublicKey: UrgentDenial] = [:]
        var told: [UrgentDenial] = []
        /// What others deny, until a task has looked at it.
        var waiting: [PublicKey: UrgentDenial] = [:]
        var isHearing = false
    }

    private let keyring: Keyring
    private let membership: MembershipLog
    private let client: LogClient
    private let logger: Logger
    private let troubles: TroubleLog
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
        self.logger = logger
        troubles = TroubleLog(logger)
        let membership = Membership(keyring).log
        self.membership = membership
        let mark = PolicyMark(try membership.state().place)
        let marks = MarkRelay()
        let keeper = try LogKeeper(membership, ClusterSeal(ClusterKeys(portal: portal))) { marks.tell($0) }
        client = LogClient(keeper, caller, logger)
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
        let (isAhead, isOther) = state.withLock { state in
            defer { state.heard = max(state.heard, mark.index) }
            let isOther = mark.index == state.mark.index && mark.hash != state.mark.hash
            return (mark.index > max(state.mark.index, state.heard), isOther)
        }
        if isOther {
            troubles.say(
                .error, "another machine has another log of policy: each looks which one NATS has",
                reason: "record \(mark.index) is not the same", as: "fork")
            client.keeper.doubt()
        }
        if isAhead || isOther { kicks.continuation.yield() }
    }

    package func heard(_ denials: [UrgentDenial]) {
        let begins = state.withLock { state in
            for denial in denials
            where state.urgent[denial.key] == nil && state.waiting.count < UrgentDenials.limit
                && (client.keeper.allowance(of: denial.key) ?? 0) <= denial.index
            { state.waiting[denial.key] = denial }
            guard !state.isHearing, !state.waiting.isEmpty else { return false }
            state.isHearing = true
            return true
        }
        if begins { Task { await keepHeard() } }
    }

    /// Keeps what others deny; one task does, for as long as there is some.
    private func keepHeard() async {
        while true {
            let heard = state.withLock { state in
                defer { state.waiting = [:] }
                state.isHearing = !state.waiting.isEmpty
                return state.waiting.values.map { Denial(key: $0.key, since: $0.since) }
            }
            guard !heard.isEmpty else { return }
            do {
                switch try await Blocking.run({ [membership] in try membership.denyUrgently(heard) }) {
                case .counts(new: []): continue
                case .counts(let new):
                    logger.notice(
                        "another machine denies keys before the log does",
                        metadata: ["ids": "\(new.map(\.id).joined(separator: " "))"])
                case .tooMany(let limit): throw ClusterPolicyFailure.tooManyDenials(limit: limit)
                }
            } catch {
                troubles.say(
                    .error, "a denial of another machine could not be kept",
                    reason: ErrorWords.text(of: error))
            }
            kicks.continuation.yield()
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
        let keyring = try await Blocking.run { [membership] in
            (isFollowing: try membership.rejoin(), state: try membership.state())
        }
        guard keyring.isFollowing else { throw ClusterPolicyFailure.changedAlone }
        let knowsLog = keyring.state.isFollower
        do {
            try await client.begin(for: knowsLog ? Self.startPatience : Self.patience)
            stand(.current)
        } catch ClusterPolicyFailure.unavailable(let reason) {
            stand(.behind(reason))
            guard knowsLog else { throw ClusterPolicyFailure.noEngine(reason) }
            logger.warning(
                "the log of policy could not be read: what this machine has of it counts",
                metadata: ["reason": "\(reason)", "record": "\(mark.index)"])
        } catch let failure as ClusterPolicyFailure where failure.freezes {
            stand(.frozen("\(failure)"))
        }
        begun()
    }

    private func begun() {
        state.withLock { $0.hasBegun = true }
        kicks.continuation.yield()
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
        let (mayLook, standing) = state.withLock { ($0.isEngineUp && $0.hasBegun, $0.standing) }
        guard mayLook else { return }
        do {
            try await client.call { keeper, connection in
                // The right store may be back.
                if case .frozen = standing { try keeper.restart() }
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
        // What cannot be read is not known to be gone.
        guard let urgent = try? await Blocking.run({ [membership] in try membership.urgentDenials() })
        else { return }
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
    /// It is tried for as long as `patience` says.
    ///
    /// - Returns: what came of each, in their order.
    /// - Throws: ``ClusterPolicyFailure``; `KeyringError`.
    package func make(
        _ changes: [PolicyChange], for patience: Duration = SharedPolicy.patience
    ) async throws -> [PolicyOutcome] {
        // What was denied before is so in the log before.
        let urgentCount = Mutex(0)
        let all = try await submit(for: patience) { membership throws(KeyringError) in
            let urgent = try membership.urgentDenials().prefix(PolicyChanges.limit - changes.count)
            urgentCount.withLock { $0 = urgent.count }
            return urgent.map { .denial($0.key) } + changes
        }
        let outcomes = Array(all.dropFirst(urgentCount.withLock { $0 }))
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
        // Two may note it side by side: the last to do so is the look that follows.
        defer { kicks.continuation.yield() }
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

    /// Has in the log what a plan wants, which is applied to its end before: not to a keyring that may not follow it.
    private func submit(
        for patience: Duration, _ plan: @escaping LogKeeper.Plan
    ) async throws -> [PolicyOutcome] {
        guard state.withLock(\.hasBegun) else {
            throw ClusterPolicyFailure.unavailable("this machine has not read the log yet")
        }
        return try await client.submit(for: patience, plan)
    }

    // MARK: Beginning a log

    /// Begins the log with this keyring.
    ///
    /// - Returns: how many records it has now.
    /// - Throws: ``ClusterPolicyFailure``; `KeyringError`.
    package func beginFromKeyring() async throws -> Int {
        let parts = try await client.beginImport(for: Self.patience)
        for part in parts { _ = try await client.submit(for: Self.patience) { _ in [part] } }
        return Int(mark.index)
    }

    /// Takes the log's word for everything that this keyring says of the portal.
    ///
    /// - Returns: up to which record.
    /// - Throws: ``ClusterPolicyFailure``; `KeyringError`.
    @discardableResult
    package func adopt() async throws -> UInt64 {
        // Not before the log is seen to be there: an empty keyring would begin another.
        try await client.find(for: Self.patience)
        try await Blocking.run { [membership, client] in
            try membership.forget()
            try client.keeper.restart()
        }
        state.withLock { $0.mark = PolicyMark() }
        try await client.begin(for: Self.patience)
        stand(.current)
        begun()
        return mark.index
    }
}
