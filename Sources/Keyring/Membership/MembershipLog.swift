internal import Blinding
internal import LMDB
package import TypedSodium

/// A portal's policy, members, invites and denials as a log has them: of a portal that several machines serve.
///
/// Each record of the log is one transaction, which carries the place of the record too: after whatever breaks, a keyring
/// has all of a record or nothing.
///
/// Invariants: the place never falls, unless the log is forgotten or begun; what the keyring says of the portal follows
/// from the records up to there, but for urgent denials, which stand apart.
package struct MembershipLog: Sendable {
    /// How a keyring stands to a log.
    package struct State: Equatable, Sendable {
        /// How far it is applied; ``LogPlace/start`` for a keyring that has followed none.
        package let place: LogPlace
        /// Whether it follows a log, or did; the log may have no record yet.
        package let isFollower: Bool
        /// Whether the portal was changed while it was run alone, so that it follows from no log any more.
        package let isChangedAlone: Bool
        /// Whether the log is in the midst of an import.
        package let isImporting: Bool
        /// Whether it is this keyring that is being imported.
        package let isImporter: Bool
        /// Whether nothing is said of the portal at all.
        package let isEmpty: Bool
    }

    /// What came of a record.
    package enum Step: Equatable, Sendable {
        /// It is applied, and came to this.
        case applied([PolicyOutcome])
        /// It was, by another process that has the same keyring.
        case known
        /// It does not follow from what the keyring has.
        case foreign(LogPlace)
    }

    /// What came of wanting to deny at once.
    package enum Urgency: Equatable, Sendable {
        /// All are denied from now on, these of them newly.
        case counts(new: [PublicKey])
        /// As many wait for the log as may: those that came first.
        case tooMany(limit: Int)
    }

    /// Records that are closed for so long in the log's time are forgotten, when another record comes: the clocks of
    /// machines are not one.
    private static let tidyDelaySeconds: UInt64 = 86_400

    let store: KeyringStore

    // MARK: Where it stands

    /// How the keyring stands to a log.
    package func state() throws(KeyringError) -> State {
        try store.read { (transaction) throws(KeyringError) in
            State(
                place: try Self.place(transaction) ?? .start,
                isFollower: try Self.place(transaction) != nil,
                isChangedAlone: try transaction.number(.alone) == 2,
                isImporting: try transaction.number(.importing) != nil,
                isImporter: try transaction.number(.importer) != nil, isEmpty: try Self.isEmpty(transaction))
        }
    }

    private static func isEmpty<Access>(
        _ transaction: borrowing KeyringTransaction<Access>
    ) throws(KeyringError) -> Bool {
        for table in [StoredMember.table, StoredDenial.table, MemberInvite.table]
        where try transaction.recordCount(table) > 0 { return false }
        return try transaction.record(StoredPolicy.self, StoredPolicy.key) == nil
    }

    static func place<Access>(
        _ transaction: borrowing KeyringTransaction<Access>
    ) throws(KeyringError) -> LogPlace? {
        try transaction.record(StoredPlace.self, StoredPlace.key)?.place
    }

    /// Whether what is said of the portal follows from a log, so that time alone changes nothing in it.
    static func isFollowed<Access>(
        _ transaction: borrowing KeyringTransaction<Access>
    ) throws(KeyringError) -> Bool {
        guard try place(transaction) != nil else { return false }
        return try transaction.number(.alone) != 2
    }

    /// Whether the portal's own keyring may be changed without a log.
    ///
    /// - Throws: ``KeyringError/inCluster`` where it may not.
    static func allowChange(_ transaction: borrowing KeyringWriting) throws(KeyringError) {
        guard try place(transaction) != nil, try transaction.number(.alone) == nil else { return }
        throw .inCluster
    }

    /// Notes that the portal was changed while it is run alone.
    static func noteChange(_ transaction: inout KeyringWriting) throws(KeyringError) {
        if try transaction.number(.alone) == 1 { try transaction.set(.alone, to: 2) }
    }

    /// The portal follows a log from now on, which has no record that it knows of.
    package func follow() throws(KeyringError) {
        guard try !state().isFollower else { return }
        try store.change { (transaction, _) throws(KeyringError) in
            guard try Self.place(transaction) == nil else { return }
            try transaction.put(StoredPlace(.start), StoredPlace.key)
        }
    }

    /// The portal is run alone from now on, and may be changed.
    ///
    /// - Returns: whether it had a log until now.
    @discardableResult
    package func leave() throws(KeyringError) -> Bool {
        try store.change { (transaction, _) throws(KeyringError) in
            guard try Self.place(transaction) != nil, try transaction.number(.alone) == nil else {
                return false
            }
            try transaction.set(.alone, to: 1)
            return true
        }
    }

    /// The portal follows its log again, where nothing was changed meanwhile.
    ///
    /// - Returns: whether it follows it.
    package func rejoin() throws(KeyringError) -> Bool {
        guard try store.read({ (transaction) throws(KeyringError) in try transaction.number(.alone) }) != nil
        else { return true }
        return try store.change { (transaction, _) throws(KeyringError) in
            guard try transaction.number(.alone) != 2 else { return false }
            try transaction.clear(.alone)
            return true
        }
    }

    // MARK: Records

    /// Applies a record that follows from a place.
    package func apply(
        _ changes: PolicyChanges, to place: LogPlace, behind former: FixedBytes<32>
    ) throws(KeyringError) -> Step {
        try store.change { (transaction, change) throws(KeyringError) in
            let own = try Self.place(transaction) ?? .start
            if own.index >= place.index {
                return own.index > place.index || own == place ? .known : .foreign(own)
            }
            guard own.index + 1 == place.index, own.hash == former, try transaction.number(.alone) == nil
            else {
                return .foreign(own)
            }
            var outcomes: [PolicyOutcome] = []
            for wanted in changes.list {
                outcomes.append(try Self.make(wanted, at: changes.time, &transaction, &change))
            }
            let tidied = changes.time - min(changes.time, Self.tidyDelaySeconds)
            try InviteTable<MemberInviteKind>.tidy(&transaction, &change, now: tidied)
            try transaction.put(StoredPlace(place), StoredPlace.key)
            change.mark()
            return .applied(outcomes)
        }
    }

    private static func make(
        _ wanted: PolicyChange, at now: UInt64, _ transaction: inout KeyringWriting, _ change: inout Change
    ) throws(KeyringError) -> PolicyOutcome {
        if try transaction.number(.importing) != nil {
            switch wanted {
            case .imported, .denial: break
            default: return .importUnderWay
            }
        }
        return try PolicyTable.make(wanted, at: now, &transaction, &change)
    }

    /// What would come of redemptions that need no record: who is refused, or was admitted before; `nil` for the others.
    package func foresee(_ requests: [MemberRequest], now: UInt64) throws(KeyringError) -> [Redemption?] {
        try store.read { (transaction) throws(KeyringError) in
            let urgent = try StoredUrgency.all(transaction)
            var suspended = Set<InviteKey>()
            for denial in urgent {
                let uses = try transaction.record(StoredMember.self, denial.key)?.membership?.uses
                suspended.formUnion(uses?.list.map(\.invite) ?? [])
            }
            var outcomes: [Redemption?] = []
            for request in requests {
                if urgent.contains(where: { $0.key == request.feed }) {
                    outcomes.append(.refused(.removed))
                } else if let outcome = try PolicyTable.foresee(request, at: now, transaction) {
                    outcomes.append(outcome)
                } else {
                    outcomes.append(suspended.contains(request.invite) ? .refused(.revoked) : nil)
                }
            }
            return outcomes
        }
    }

    // MARK: Urgent denials

    /// Denies at once, before the log does; of what the log says nothing is changed.
    package func denyUrgently(_ denials: [Denial]) throws(KeyringError) -> Urgency {
        // Other machines say theirs every few seconds: what is known costs no write.
        let (all, news) = try store.read { (transaction) throws(KeyringError) in
            try Self.urgency(with: denials, transaction)
        }
        guard !news.isEmpty else { return .counts(new: []) }
        guard all.count - news.count < StoredUrgency.limit else {
            return .tooMany(limit: StoredUrgency.limit)
        }
        return try store.change { (transaction, change) throws(KeyringError) in
            let (all, news) = try Self.urgency(with: denials, transaction)
            try StoredUrgency.put(Array(all.prefix(StoredUrgency.limit)), &transaction)
            if !news.isEmpty { change.mark() }
            return all.count > StoredUrgency.limit
                ? .tooMany(limit: StoredUrgency.limit) : .counts(new: news.map(\.key))
        }
    }

    /// What the log does not have with these, and which of these are new.
    private static func urgency<Access>(
        with denials: [Denial], _ transaction: borrowing KeyringTransaction<Access>
    ) throws(KeyringError) -> (all: [Denial], news: [Denial]) {
        let urgent = try StoredUrgency.all(transaction)
        var (known, news) = (Set(urgent.map(\.key)), [Denial]())
        for denial in denials where !known.contains(denial.key) {
            guard try transaction.record(StoredDenial.self, denial.key) == nil else { continue }
            known.insert(denial.key)
            news.append(denial)
        }
        return (urgent + news, news)
    }

    /// The denials that the log does not have yet.
    package func urgentDenials() throws(KeyringError) -> [Denial] {
        try store.read { (transaction) throws(KeyringError) in try StoredUrgency.all(transaction) }
    }

    // MARK: Beginning

    /// Begins a log with this keyring, and forgets the log that it has followed; again where that broke off.
    ///
    /// - Returns: what the first records have to say.
    package func beginImport() throws(KeyringError) -> [PolicyChange] {
        try store.change { (transaction, _) throws(KeyringError) in
            if try transaction.number(.importer) == nil {
                try transaction.drop(StoredPlace.self, StoredPlace.key)
                try transaction.clear(.importing)
            }
            try transaction.clear(.alone)
            try transaction.set(.importer, to: 1)
            return try PolicyImport.parts(of: transaction).map { .imported($0) }
        }
    }

    /// Forgets what the keyring says of the portal, and how far it has followed a log, to take the log's word for
    /// everything.
    package func forget() throws(KeyringError) {
        try store.change { (transaction, change) throws(KeyringError) in
            for (key, _) in try transaction.records(StoredMember.self) {
                try transaction.drop(StoredMember.self, key)
            }
            for (key, _) in try transaction.records(StoredDenial.self) {
                try transaction.drop(StoredDenial.self, key)
            }
            for (key, _) in try transaction.records(MemberInvite.self) {
                try transaction.drop(MemberInvite.self, key)
            }
            try transaction.drop(StoredPolicy.self, StoredPolicy.key)
            try transaction.drop(StoredPlace.self, StoredPlace.key)
            for key in [StateKey.alone, .importing, .importer, .unrecordedMembers] {
                try transaction.clear(key)
            }
            change.mark()
        }
    }
}
