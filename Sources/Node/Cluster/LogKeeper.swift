internal import Cluster
internal import Keyring
internal import NATS
internal import Synchronization
internal import TypedSodium

/// Reads a log from its stream into a keyring, and appends to it: one step after another, on the thread that may wait.
///
/// ### Invariants
/// - What is in memory is never ahead of the keyring, but for the time of a step; after a failure it begins again there.
/// - At most one record is on its way; it is looked for before another is made.
final class LogKeeper: Sendable {
    /// What a request wants to have in the log, asked when everything in it is applied; nothing where it needs no record.
    typealias Plan = @Sendable (MembershipLog) throws(KeyringError) -> [PolicyChange]

    /// What came of a step towards having something in the log.
    enum Attempt: Sendable {
        /// It is in the log and applied, and came to this; to nothing where nothing was wanted.
        case made([PolicyOutcome])
        /// Another was faster: to be tried again at once.
        case outrun
        /// Another's record is on its way.
        case waits
        /// It may be in the log or not.
        case unanswered(NATSError)
    }

    private struct State {
        var log: PolicyLog
        var failure: ClusterPolicyFailure?
        /// Which request the record on its way belongs to.
        var owner: UInt64?
        /// What records of requests came to that were found in the log, until those ask again.
        var settled: [UInt64: [PolicyOutcome]] = [:]
        /// Whether the stream was seen to have this machine's last record.
        var isProven = false
        /// How often others said that its last record is another one.
        var doubtCount: UInt64 = 0
        /// At which record keys were last allowed.
        var allowances: [PublicKey: UInt64] = [:]
    }

    private static let allowanceLimit = 1_000

    private let membership: MembershipLog
    private let seal: ClusterSeal
    private let state: Mutex<State>
    private let stream = Mutex<(connection: NATSConnection, stream: NATSStream)?>(nil)
    private let tell: @Sendable (PolicyMark) -> Void

    /// Goes on where the keyring is; `tell` is told of each record that is applied.
    init(
        _ membership: MembershipLog, _ seal: consuming ClusterSeal,
        tell: @escaping @Sendable (PolicyMark) -> Void
    ) throws(KeyringError) {
        self.membership = membership
        self.seal = seal
        self.tell = tell
        state = Mutex(State(log: PolicyLog(appliedTo: PolicyMark(try membership.state().place))))
    }

    /// What the stream is called.
    var logName: String { seal.logName }

    // MARK: Beginning

    /// Looks whether there is a log at all.
    ///
    /// - Throws: ``ClusterPolicyFailure/noLog``; `NATSError`.
    func find(_ connection: NATSConnection) throws {
        do throws(NATSError) {
            _ = try stream(of: connection).extent()
        } catch {
            if case .noSuchStream = error { throw ClusterPolicyFailure.noLog }
            throw error
        }
    }

    /// Finds the log, or begins one where there is none and the keyring is empty, and applies it to its end.
    ///
    /// - Throws: `NATSError`, `KeyringError`, ``ClusterPolicyFailure``.
    func begin(_ connection: NATSConnection, replicas: Int) throws {
        let own = try membership.state()
        do {
            let last = try stream(of: connection).extent().last
            let isOwn = own.place.index > 0 || own.isEmpty
            guard isOwn else { throw last == 0 ? ClusterPolicyFailure.noLog : .ownPolicy }
        } catch NATSError.noSuchStream {
            guard own.place.index == 0 else { throw fail(.gone(known: own.place.index)) }
            guard own.isEmpty else { throw ClusterPolicyFailure.noLog }
            try stream(of: connection).createIfAbsent(replicas: replicas)
        }
        // From now on its keyring is changed by the log alone.
        try membership.follow()
        try follow(connection)
    }

    /// Prepares a keyring to be the beginning of the log.
    ///
    /// - Returns: what its records have to be.
    /// - Throws: ``ClusterPolicyFailure/logExists``; `NATSError`; `KeyringError`.
    func beginImport(_ connection: NATSConnection, replicas: Int) throws -> [PolicyChange] {
        let own = try membership.state()
        do {
            let last = try stream(of: connection).extent().last
            guard last == 0 || (own.isImporter && own.place.index == last) else {
                throw ClusterPolicyFailure.logExists
            }
        } catch NATSError.noSuchStream {
            try stream(of: connection).createIfAbsent(replicas: replicas)
        }
        let parts = try membership.beginImport()
        try restart()
        return parts
    }

    /// Begins again with what the keyring has: nothing that was found wrong with the log is held against it.
    func restart() throws(KeyringError) {
        let place = try membership.state().place
        state.withLock { state in
            state = State(
                log: PolicyLog(appliedTo: PolicyMark(place)), settled: state.settled,
                allowances: state.allowances)
        }
    }

    /// The last record is read again with the next step: others say that it is another one.
    func doubt() {
        state.withLock { state in
            state.isProven = false
            state.doubtCount += 1
        }
    }

    // MARK: Following

    /// Applies the log to its end.
    ///
    /// - Throws: `NATSError`, `KeyringError`, ``ClusterPolicyFailure``.
    func follow(_ connection: NATSConnection) throws { _ = try catchUp(connection) }

    /// At which record a key was last allowed, as far as that is remembered.
    func allowance(of key: PublicKey) -> UInt64? { state.withLock { $0.allowances[key] } }

    private func catchUp(_ connection: NATSConnection) throws -> PolicyLog.Verdict {
        let (failure, known, isProven, doubtCount) = state.withLock {
            ($0.failure, $0.log.mark.index, $0.isProven, $0.doubtCount)
        }
        if let failure { throw failure }
        let stream = try stream(of: connection)
        let extent: NATSStream.Extent
        do throws(NATSError) { extent = try stream.extent() } catch {
            guard case .noSuchStream = error, known > 0 else { throw error }
            throw fail(.gone(known: known))
        }
        guard extent.last >= known else { throw fail(.rolledBack(last: extent.last, known: known)) }
        // The last record that is known is read again, once or in doubt: the log may be another one of the same length.
        var number = isProven || known == 0 ? known + 1 : known
        while number <= extent.last {
            guard extent.first <= number else { throw fail(.gap(at: number)) }
            try take(stream.message(number), number)
            number += 1
        }
        do throws(PolicyLog.Failure) {
            return try state.withLock { (state) throws(PolicyLog.Failure) in
                // A doubt that came meanwhile may be about what had been read before.
                state.isProven = state.doubtCount == doubtCount
                let verdict = try state.log.reachedEnd(extent.last)
                if verdict == .displaced { state.owner = nil }
                return verdict
            }
        } catch {
            throw fail(ClusterPolicyFailure(error))
        }
    }

    /// Applies a message of the stream.
    private func take(_ message: [UInt8], _ number: UInt64) throws {
        let record: PolicyRecord
        do throws(ClusterError) { record = try seal.openRecord(message) } catch {
            throw fail(.foreign(at: number))
        }
        try take(record, number)
    }

    private func take(_ record: PolicyRecord, _ number: UInt64) throws {
        let changes: PolicyChanges
        do throws(PolicyChanges.Fault) { changes = try PolicyChanges(decoding: record.body) } catch {
            throw fail(.later(at: number))
        }
        let step: PolicyLog.Step
        do throws(PolicyLog.Failure) {
            step = try state.withLock { (state) throws(PolicyLog.Failure) in
                try state.log.take(record, number: number)
            }
        } catch {
            throw fail(ClusterPolicyFailure(error))
        }
        guard step != .known else { return }
        let outcomes = try apply(changes, record)
        state.withLock { state in
            for case .allowance(let key) in changes.list {
                if state.allowances.count >= Self.allowanceLimit { state.allowances = [:] }
                state.allowances[key] = record.index
            }
            // Whichever step finds it: its request, planned anew, would meet what it has made itself.
            if case .applyOwn = step, let owner = state.owner {
                state.settled[owner] = outcomes
                state.owner = nil
            }
        }
        tell(record.mark)
    }

    private func apply(_ changes: PolicyChanges, _ record: PolicyRecord) throws -> [PolicyOutcome] {
        let place = LogPlace(index: record.index, hash: record.mark.hash)
        let step: MembershipLog.Step
        do throws(KeyringError) {
            step = try membership.apply(changes, to: place, behind: record.previous)
        } catch {
            // What the keyring does not have is to be read again.
            try restart()
            throw error
        }
        switch step {
        case .applied(let outcomes): return outcomes
        case .known: return try unseen(changes)
        case .foreign: throw fail(.forked(at: record.index))
        }
    }

    /// What changes came to that another process has applied to this keyring.
    private func unseen(_ changes: PolicyChanges) throws(KeyringError) -> [PolicyOutcome] {
        var outcomes: [PolicyOutcome] = []
        for change in changes.list {
            if case .redemption(let request) = change {
                let redemption = try membership.foresee([request], now: changes.time)[0]
                outcomes.append(.redemption(redemption ?? .refused(.revoked)))
            } else {
                outcomes.append(.made)
            }
        }
        return outcomes
    }

    // MARK: Appending

    /// Takes a step towards having in the log what a request wants.
    ///
    /// - Throws: `NATSError`, `KeyringError`, ``ClusterPolicyFailure``.
    func attempt(_ request: UInt64, _ plan: Plan, _ connection: NATSConnection) throws -> Attempt {
        let end = Result { try catchUp(connection) }
        let (settled, isOwner) = state.withLock {
            ($0.settled.removeValue(forKey: request), $0.owner == request)
        }
        if let settled { return .made(settled) }
        if case .sendAgain(let record) = try end.get() {
            return isOwner ? try send(record, of: request, connection) : .waits
        }
        let changes = try plan(membership)
        guard !changes.isEmpty else { return .made([]) }
        let body = PolicyChanges(changes, at: WallClock.seconds()).encoded()
        let record = state.withLock { state -> PolicyRecord? in
            let salt = MachineID(high: .random(in: 0 ... .max), low: .random(in: 0 ... .max))
            guard let record = state.log.append(body, salt: salt) else { return nil }
            state.owner = request
            return record
        }
        guard let record else { return .waits }
        return try send(record, of: request, connection)
    }

    /// Nobody waits for a request any more; whether it gets into the log is left to chance.
    ///
    /// - Returns: what it came to, where it was found in the log meanwhile.
    func abandon(_ request: UInt64) -> [PolicyOutcome]? {
        state.withLock { state in
            if state.owner == request {
                state.owner = nil
                state.log.refused()
            }
            return state.settled.removeValue(forKey: request)
        }
    }

    private func send(
        _ record: PolicyRecord, of owner: UInt64, _ connection: NATSConnection
    ) throws -> Attempt {
        let number: UInt64
        do throws(NATSError) {
            number = try stream(of: connection).append(
                seal.seal(record, nonce: Self.nonce()), behind: record.index - 1)
        } catch {
            // Even so it may stand there, sent a moment before: the stream tells.
            return error == .outdated ? .outrun : .unanswered(error)
        }
        try take(record, number)
        return .made(state.withLock { $0.settled.removeValue(forKey: owner) } ?? [])
    }

    private static func nonce() -> Nonce {
        var nonce = Nonce()
        for index in nonce.storage.indices { nonce.storage[index] = .random(in: 0 ... .max) }
        return nonce
    }

    private func stream(of connection: NATSConnection) throws(NATSError) -> NATSStream {
        try stream.withLock { (stream) throws(NATSError) in
            if let stream, stream.connection === connection { return stream.stream }
            let made = try connection.stream(seal.logName, subject: seal.logSubject)
            stream = (connection, made)
            return made
        }
    }

    private func fail(_ failure: ClusterPolicyFailure) -> ClusterPolicyFailure {
        state.withLock { $0.failure = failure }
        return failure
    }
}

/// Passes marks on to what does not stand yet when they may first come.
final class MarkRelay: Sendable {
    private let content = Mutex<@Sendable (PolicyMark) -> Void>({ _ in })

    func take(_ tell: @escaping @Sendable (PolicyMark) -> Void) { content.withLock { $0 = tell } }

    func tell(_ mark: PolicyMark) { content.withLock { $0 }(mark) }
}

extension PolicyMark {
    init(_ place: LogPlace) { self.init(index: place.index, hash: place.hash) }
}

extension ClusterPolicyFailure {
    fileprivate init(_ failure: PolicyLog.Failure) {
        self =
            switch failure {
            case .rolledBack(let last, let known): .rolledBack(last: last, known: known)
            case .forked(let index): .forked(at: index)
            case .gap(let expected, _): .gap(at: expected)
            }
    }
}
