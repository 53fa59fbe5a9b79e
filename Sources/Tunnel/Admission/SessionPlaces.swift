internal import Account
internal import NIOCore
internal import Synchronization

/// The places for sessions of those who have proved who they are, over all connections of an endpoint.
///
/// A session stays as long as it likes, also when it is idle. When a friend may have no more, its own longest idle one
/// without a stream gives way; when places are short, one of a friend that has many, for a friend that has few.
final class SessionPlaces: Sendable {
    /// How many sessions a friend may have however short the places are.
    static let assured = 8
    /// How many new sessions a second a friend may begin in the long run.
    static let newPerSecond = 2.0
    /// The same of an invite: hundreds may redeem it within a minute.
    static let newPerSecondOfInvite = 10.0
    /// How many at once; thirty parallel connections of one friend are honest.
    static let newAtOnce = 32.0
    /// After how many keys those are forgotten that have begun nothing lately.
    private static let rateLimit = 1024

    /// What somebody who has proved its key gets.
    enum Outcome {
        /// A seat, and whose place it was, where another session had to give way.
        case seat(SessionSeat, insteadOf: SessionPlace?)
        /// None.
        case full
    }

    private struct Entry {
        let since: NIODeadline
        let party: EndpointAccounts.Party
        let session: SessionPlace
        let activity: SessionActivity
        let account: Account
        let charge: Charge
    }

    private struct Books {
        var entries: [UInt64: Entry] = [:]
        var ofParty: [EndpointAccounts.Party: Set<UInt64>] = [:]
        var rates: [EndpointAccounts.Party: Rate] = [:]
        var lastNumber: UInt64 = 0

        mutating func remove(_ number: UInt64) -> Entry? {
            guard let entry = entries.removeValue(forKey: number) else { return nil }
            ofParty[entry.party]?.remove(number)
            if ofParty[entry.party]?.isEmpty == true { ofParty[entry.party] = nil }
            return entry
        }
    }

    private let books = Mutex(Books())

    /// How many sessions stand.
    var count: Int { books.withLock { $0.entries.count } }

    /// Who has sessions, how many, and since when the first of them stands.
    var visits: [EndpointAccounts.Visit] {
        books.withLock { books in
            books.ofParty.map { party, sessions in
                EndpointAccounts.Visit(
                    party: party, sessionCount: sessions.count,
                    since: sessions.compactMap { books.entries[$0]?.since }.min() ?? .distantPast)
            }
        }
    }

    /// Takes a place for somebody who pays for it.
    func take(
        _ session: SessionPlace, for party: EndpointAccounts.Party, paidBy payer: Payer, at now: NIODeadline
    ) -> Outcome {
        books.withLock { books in
            guard Self.mayBegin(party, in: &books, at: now) else { return .full }
            var giving: SessionPlace?
            var charge = payer.sessions.charge(1)
            if charge == nil, let victim = Self.victim(for: party, paidBy: payer, in: books) {
                let entry = books.remove(victim)
                giving = entry?.session
                // Its own place passes on; another's is free once the charge for it is gone.
                if entry?.party == party { charge = entry?.charge }
            }
            charge = charge ?? payer.sessions.charge(1)
            guard let charge else { return .full }
            books.lastNumber += 1
            let activity = SessionActivity(at: now)
            books.entries[books.lastNumber] = Entry(
                since: now, party: party, session: session, activity: activity, account: payer.sessions,
                charge: charge)
            books.ofParty[party, default: []].insert(books.lastNumber)
            let seat = SessionSeat(number: books.lastNumber, activity: activity, places: self)
            return .seat(seat, insteadOf: giving)
        }
    }

    private static func mayBegin(
        _ party: EndpointAccounts.Party, in books: inout Books, at now: NIODeadline
    ) -> Bool {
        if books.rates.count >= rateLimit { books.rates = books.rates.filter { !$0.value.isFull(at: now) } }
        let perSecond = party.isInvite ? newPerSecondOfInvite : newPerSecond
        return books.rates[party, default: Rate(perSecond: perSecond, burst: newAtOnce, at: now)].take(
            at: now)
    }

    /// Which session gives way to a new one, where one has to.
    private static func victim(
        for party: EndpointAccounts.Party, paidBy payer: Payer, in books: Books
    ) -> UInt64? {
        // Each of an invite's is about to end.
        guard !party.isInvite else { return nil }
        let own = books.ofParty[party] ?? []
        if own.count < assured {
            let many = books.ofParty.filter { other, sessions in
                guard sessions.count > assured, other != party,
                    let account = sessions.first.flatMap({ books.entries[$0]?.account })
                else { return false }
                return payer.sessions.outweighs(account)
            }
            let largest = many.values.max { $0.count < $1.count }
            if let largest, let victim = longestIdle(of: largest, in: books) { return victim }
        }
        return longestIdle(of: own, in: books)
    }

    private static func longestIdle(of sessions: Set<UInt64>, in books: Books) -> UInt64? {
        let idle = sessions.compactMap { number in
            books.entries[number].flatMap { entry in
                entry.activity.isInUse ? nil : (number: number, since: entry.activity.heardAt)
            }
        }
        return idle.min { ($0.since, $0.number) < ($1.since, $1.number) }?.number
    }

    fileprivate func leave(_ number: UInt64) {
        // The charge is released behind the lock.
        _ = books.withLock { $0.remove(number) }
    }
}

/// When something last came in a session, and whether a stream is open: written by its connection, read by all.
final class SessionActivity: Sendable {
    private let heard: Atomic<UInt64>
    private let streams = Atomic(0)

    init(at now: NIODeadline) { heard = Atomic(now.uptimeNanoseconds) }

    var heardAt: UInt64 { heard.load(ordering: .relaxed) }

    var isInUse: Bool { streams.load(ordering: .relaxed) > 0 }

    func note(streamCount: Int) { streams.store(streamCount, ordering: .relaxed) }

    func heard(at now: NIODeadline) { heard.store(now.uptimeNanoseconds, ordering: .relaxed) }
}

/// A place for one session; it is given back with its last reference, unless it has passed to another before.
final class SessionSeat {
    let activity: SessionActivity
    private let number: UInt64
    private let places: SessionPlaces

    fileprivate init(number: UInt64, activity: SessionActivity, places: SessionPlaces) {
        self.number = number
        self.activity = activity
        self.places = places
    }

    deinit { places.leave(number) }
}
