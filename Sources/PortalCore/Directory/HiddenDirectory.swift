package import Account
package import Blinding
package import TypedSodium

/// Which connections are hidden, and which tokens each has announced.
///
/// A set belongs to its connection, and only that one replaces it or takes it back. Several may announce one token: all
/// are kept, up to a limit, so that nobody stands in another's place. A new set comes in slices, and one that goes is
/// forgotten in slices, so that the lock around it is held for a moment only.
///
/// ### Invariants
/// - A connection has at most one set in force and one that comes; the latter is answered as far as it has come.
/// - What ``TokenPlaces`` counts is the size of the sets in force, and what the coming ones need beyond it.
package struct HiddenDirectory: Sendable {
    /// Who announces tokens.
    package struct Announcer: Equatable, Sendable {
        /// Where it is called.
        package let connection: ConnectionID
        /// The key that it has proved.
        package let key: PublicKey
        /// What its address counts as.
        package let source: String
        /// Whether it belongs to the portal.
        package let isMember: Bool

        /// An announcer.
        package init(_ connection: ConnectionID, key: PublicKey, source: String, isMember: Bool) {
            self.connection = connection
            self.key = key
            self.source = source
            self.isMember = isMember
        }

        var holder: TokenPlaces.Holder { isMember ? .member(key) : .source(source) }
    }

    /// What is to be done with an announcement that is not refused.
    package enum Beginning: Equatable, Sendable {
        /// Nothing: the set is in force already.
        case unchanged
        /// ``insert(_:on:)`` and ``finish(_:)``; these connections lost their sets to make room.
        case comes(dropped: [ConnectionID])
    }

    /// What a token takes, in bytes: an entry and a bucket of the table, and the place in its set.
    package static let tokenByteCount = 56

    /// How many announcers of one token are kept.
    package static let announcerLimit = 8

    private struct TokenSet {
        /// The number under which the table has its tokens; every announcement has another.
        let owner: TokenTable.Owner
        let holder: TokenPlaces.Holder
        let count: Int
        /// `nil` once something of it was lost to others, so that announcing it again brings that back.
        var fingerprint: UInt64?
        var places: [TokenTable.Place] = []
        /// For the memory that the tokens take, until they are forgotten.
        var charge: Charge?
    }

    private struct ComingSet {
        var set: TokenSet
        let tokens: [HashedToken]
        var insertedCount = 0
        /// How many places were counted for it beyond those of the set that it replaces.
        let addedCount: Int
    }

    private let limits: TokenLimits
    private var table = TokenTable()
    private var places: TokenPlaces
    private var sets: [ConnectionID: TokenSet] = [:]
    private var coming: [ConnectionID: ComingSet] = [:]
    /// What is not in force any more, and not forgotten yet.
    private var leaving: [TokenSet] = []
    /// By their numbers in the table.
    private var announcers: [Announcer?] = []
    private var freeOwners: [TokenTable.Owner] = []
    /// The connections with tokens, the newest announcement last.
    private var connections: [TokenPlaces.Holder: [ConnectionID]] = [:]

    /// Nobody is hidden.
    package init(limits: TokenLimits = TokenLimits()) {
        self.limits = limits
        places = TokenPlaces(limits: limits)
    }

    // MARK: Looking

    /// How many tokens all sets hold together; one that two have announced counts twice, as it takes room twice.
    package var tokenCount: Int { places.count }

    /// How many connections have announced themselves hidden.
    package var connectionCount: Int { sets.count }

    /// Whether something is to be forgotten with ``forget(_:)``.
    package var hasLeaving: Bool { !leaving.isEmpty }

    /// Whether a connection has announced itself hidden.
    ///
    /// It stays hidden with no token, until it announces itself openly.
    package func isHidden(_ connection: ConnectionID) -> Bool { sets[connection] != nil }

    /// How many tokens a connection has announced, those that are still coming included.
    package func tokenCount(of connection: ConnectionID) -> Int {
        max(sets[connection]?.count ?? 0, coming[connection]?.set.count ?? 0)
    }

    /// Those that announced a token, the newest first.
    func announcers(of token: PairToken) -> [Announcer] {
        table.owners(of: HashedToken(token)).compactMap { announcers[Int($0)] }
    }

    /// The connections that announced a token, the newest first; with a key only those that have proved it.
    ///
    /// The newest of each source goes before all that are not, so that no source is asked twice before another is.
    package func connections(of token: PairToken, provedBy key: PublicKey? = nil) -> [ConnectionID] {
        let present = announcers(of: token)
        guard key == nil else { return present.filter { $0.key == key }.map(\.connection) }
        var sources: Set<String> = []
        var (newest, others): ([ConnectionID], [ConnectionID]) = ([], [])
        for announcer in present {
            if sources.insert(announcer.source).inserted {
                newest.append(announcer.connection)
            } else {
                others.append(announcer.connection)
            }
        }
        return newest + others
    }

    // MARK: Announcing

    /// Begins to replace the set of a connection, for which places are counted here; the `charge` is kept as long as
    /// the tokens take memory.
    ///
    /// - Throws: ``AnnounceRefusal/tooManyTokens``, and nothing has changed.
    package mutating func begin(
        _ announcement: HiddenAnnouncement, by announcer: Announcer, charge: Charge? = nil
    ) throws(AnnounceRefusal) -> Beginning {
        let (connection, holder) = (announcer.connection, announcer.holder)
        abandon(connection)
        let former = sets[connection]
        if let former, former.fingerprint == announcement.fingerprint, former.holder == holder {
            return .unchanged
        }
        let counted = former.map { $0.holder == holder ? $0.count : 0 } ?? 0
        let added = max(0, announcement.count - counted)
        let dropped = try makeRoom(for: added, of: holder)
        places.add(added, to: holder)
        var set = TokenSet(
            owner: takeOwner(for: announcer), holder: holder, count: announcement.count,
            fingerprint: announcement.fingerprint)
        set.places.reserveCapacity(announcement.count)
        set.charge = charge
        coming[connection] = ComingSet(set: set, tokens: announcement.hashed, addedCount: added)
        return .comes(dropped: dropped)
    }

    /// Inserts up to so many tokens of the set that comes; whether some are left.
    ///
    /// Nothing is left where no set comes any more, because the connection has ended or taken it back.
    package mutating func insert(_ limit: Int, on connection: ConnectionID) -> Bool {
        guard var comer = coming.removeValue(forKey: connection),
            let announcer = announcers[Int(comer.set.owner)]
        else { return false }
        let announcers = announcers
        var losers: Set<ConnectionID> = []
        for token in comer.tokens[comer.insertedCount...].prefix(limit) {
            let place = table.give(token, to: comer.set.owner) { owners in
                let present = owners.map { announcers[Int($0)] }
                let admission = TokenAdmission.decide(on: announcer, among: present)
                if case .inPlace(let index) = admission, let loser = present[index] {
                    losers.insert(loser.connection)
                }
                return admission
            }
            if let place { comer.set.places.append(place) } else { comer.set.fingerprint = nil }
            comer.insertedCount += 1
        }
        for loser in losers {
            sets[loser]?.fingerprint = nil
            coming[loser]?.set.fingerprint = nil
        }
        let isLeft = comer.insertedCount < comer.tokens.count
        coming[connection] = comer
        return isLeft
    }

    /// Puts the set in force that has come; whether there was one.
    package mutating func finish(_ connection: ConnectionID) -> Bool {
        guard let comer = coming.removeValue(forKey: connection) else { return false }
        var surplus = comer.addedCount - comer.set.count
        if let former = sets.removeValue(forKey: connection) {
            if former.holder == comer.set.holder {
                surplus += former.count
            } else {
                places.add(-former.count, to: former.holder)
            }
            unlist(connection, of: former.holder)
            retire(former)
        }
        places.add(-surplus, to: comer.set.holder)
        sets[connection] = comer.set
        connections[comer.set.holder, default: []].append(connection)
        return true
    }

    /// Takes the announcement of a connection back, also one that comes; whether there was one.
    @discardableResult
    package mutating func remove(_ connection: ConnectionID) -> Bool {
        let came = abandon(connection)
        guard let set = sets.removeValue(forKey: connection) else { return came }
        places.add(-set.count, to: set.holder)
        unlist(connection, of: set.holder)
        retire(set)
        return true
    }

    /// Takes all tokens of a connection back, which stays hidden; whether there were any.
    @discardableResult
    package mutating func clear(_ connection: ConnectionID) -> Bool {
        guard let set = sets[connection] else { return abandon(connection) }
        let hadTokens = set.count > 0 || coming[connection] != nil
        let announcer = announcers[Int(set.owner)]
        guard hadTokens, let announcer else { return false }
        remove(connection)
        sets[connection] = TokenSet(owner: takeOwner(for: announcer), holder: set.holder, count: 0)
        return true
    }

    /// Forgets up to so many tokens of sets that are not in force any more.
    package mutating func forget(_ limit: Int) {
        var left = limit
        while left > 0, var set = leaving.popLast() {
            while left > 0, let place = set.places.popLast() {
                if table.owns(set.owner, place) { table.remove(at: place) }
                left -= 1
            }
            if set.places.isEmpty { freeOwners.append(set.owner) } else { leaving.append(set) }
        }
        // Nobody has a place any more, so memory is given back.
        if leaving.isEmpty, coming.isEmpty, table.count == 0 { table = TokenTable() }
    }

    // MARK: Private

    /// Drops the newest sets of the holder that has to give way; on which connections.
    private mutating func makeRoom(
        for added: Int, of holder: TokenPlaces.Holder
    ) throws(AnnounceRefusal) -> [ConnectionID] {
        switch places.mayHold(added, holder) {
        case .yes: return []
        case .no: throw .tooManyTokens
        case .insteadOf(let large, let count):
            var (dropped, freed): ([ConnectionID], Int) = ([], 0)
            for connection in (connections[large] ?? []).reversed() where freed < count {
                freed += sets[connection]?.count ?? 0
                dropped.append(connection)
            }
            guard freed >= count else { throw .tooManyTokens }
            for connection in dropped { clear(connection) }
            return dropped
        }
    }

    @discardableResult
    private mutating func abandon(_ connection: ConnectionID) -> Bool {
        guard let comer = coming.removeValue(forKey: connection) else { return false }
        places.add(-comer.addedCount, to: comer.set.holder)
        retire(comer.set)
        return true
    }

    private mutating func retire(_ set: TokenSet) {
        announcers[Int(set.owner)] = nil
        leaving.append(set)
    }

    private mutating func unlist(_ connection: ConnectionID, of holder: TokenPlaces.Holder) {
        connections[holder]?.removeAll { $0 == connection }
        if connections[holder]?.isEmpty == true { connections[holder] = nil }
    }

    private mutating func takeOwner(for announcer: Announcer) -> TokenTable.Owner {
        if let owner = freeOwners.popLast() {
            announcers[Int(owner)] = announcer
            return owner
        }
        announcers.append(announcer)
        return TokenTable.Owner(announcers.count - 1)
    }
}

/// Who of those that announce one token is kept.
enum TokenAdmission {
    /// Decides on one more announcer of a token that others have announced, the newest first; `nil` are gone already.
    ///
    /// The announcer from the same place under the same key is replaced. When as many are there as are kept, the oldest
    /// of the source that has several gives way; where no source has, the newcomer is refused. But a member never gives
    /// way to a stranger, and a stranger always to a member.
    static func decide(
        on newcomer: HiddenDirectory.Announcer, among present: [HiddenDirectory.Announcer?]
    ) -> TokenTable.Admission {
        let former = present.firstIndex { announcer in
            guard let announcer else { return true }
            return announcer.connection == newcomer.connection
                || (announcer.key == newcomer.key && announcer.source == newcomer.source)
        }
        if let former { return .inPlace(of: former) }
        guard present.count >= HiddenDirectory.announcerLimit else { return .added }
        if let former = present.lastIndex(where: { $0?.key == newcomer.key }) {
            return .inPlace(of: former)
        }
        var counts: [String: Int] = [:]
        for case .some(let announcer) in present { counts[announcer.source, default: 0] += 1 }
        let most = counts.values.max() ?? 0
        let yielding = present.lastIndex { announcer in
            guard let announcer, newcomer.isMember || !announcer.isMember else { return false }
            return most > 1 && counts[announcer.source] == most
        }
        if let yielding { return .inPlace(of: yielding) }
        let stranger = present.lastIndex { $0?.isMember == false }
        guard newcomer.isMember, let stranger else { return .refused }
        return .inPlace(of: stranger)
    }
}
