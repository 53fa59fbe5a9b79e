internal import Account
package import Blinding
internal import NIOCore
internal import Synchronization
package import TypedSodium

/// A session inside a tunnel of one of an endpoint's connections.
package struct SessionPlace: Hashable, Sendable {
    /// Which of the endpoint's connections.
    let connection: ConnectionNumber
    /// Which of its sessions.
    let session: SessionID
}

/// One of the connections that share an endpoint's books.
package struct ConnectionNumber: Hashable, Sendable {
    let rawValue: UInt64
}

/// Who causes an inner handshake, before anybody has proved anything: the one who may know the token, else the portal.
package enum HandshakeCauser: Hashable, Sendable {
    /// Whoever has computed this token.
    case token(PairToken)
    /// Somebody behind this portal.
    case portal(PublicKey)
}

/// The places for inner handshakes that are not finished, over all connections of an endpoint.
///
/// Causers share them fairly. When a causer may have no more, the oldest handshake that has kept us waiting for over a
/// second gives way, of the causer that has most of them; one whose proof has come never does.
final class HandshakePlaces: Sendable {
    /// How long a handshake may keep us waiting before it can lose its place.
    static let patience = TimeAmount.seconds(1)

    /// What a newcomer gets.
    enum Outcome {
        /// A place, and whose it was, where somebody had to give way.
        case place(HandshakePlace, insteadOf: SessionPlace?)
        /// None.
        case full
    }

    private struct Entry {
        let causer: HandshakeCauser
        let session: SessionPlace
        /// Since when the peer has been to say something; `nil` when it has shown its proof.
        var waitsSince: NIODeadline?
    }

    private struct Causes {
        let account: Account
        var count = 0
    }

    private struct Books {
        var entries: [UInt64: Entry] = [:]
        var causers: [HandshakeCauser: Causes] = [:]
        var lastNumber: UInt64 = 0
    }

    private let pool: Account
    private let books = Mutex(Books())

    init(limit: Int) { pool = .places(limit: limit) }

    /// How many places are taken.
    var count: Int { books.withLock { $0.entries.count } }

    /// Takes a place for a handshake that begins now.
    func take(_ session: SessionPlace, by causer: HandshakeCauser, at now: NIODeadline) -> Outcome {
        books.withLock { books in
            let account = books.causers[causer]?.account ?? pool.open()
            var giving: Entry?
            if !account.take(1) {
                guard let victim = victim(of: causer, in: books, at: now),
                    let entry = books.entries[victim], let theirs = books.causers[entry.causer]?.account
                else { return .full }
                theirs.release(1)
                guard account.take(1) else {
                    // The place was not what was missing; and it is free, so it can be had again.
                    if !theirs.take(1) { remove(victim, from: &books) }
                    return .full
                }
                remove(victim, from: &books)
                giving = entry
            }
            books.lastNumber += 1
            books.entries[books.lastNumber] = Entry(causer: causer, session: session, waitsSince: now)
            books.causers[causer, default: Causes(account: account)].count += 1
            return .place(
                HandshakePlace(number: books.lastNumber, places: self), insteadOf: giving?.session)
        }
    }

    /// Whose place a newcomer gets: of those who have at least as many as it has, of whom has most.
    private func victim(of newcomer: HandshakeCauser, in books: Books, at now: NIODeadline) -> UInt64? {
        let own = books.causers[newcomer]?.count ?? 0
        func count(_ causer: HandshakeCauser) -> Int { books.causers[causer]?.count ?? 0 }
        let late = books.entries.filter { _, entry in
            guard let since = entry.waitsSince, since + Self.patience < now else { return false }
            return entry.causer == newcomer || count(entry.causer) > own
        }
        guard let greediest = late.values.map({ count($0.causer) }).max() else { return nil }
        return late.filter { count($0.value.causer) == greediest }
            .min { ($0.value.waitsSince ?? now, $0.key) < ($1.value.waitsSince ?? now, $1.key) }?.key
    }

    /// Forgets an entry whose place in its account is released.
    private func remove(_ number: UInt64, from books: inout Books) {
        guard let causer = books.entries.removeValue(forKey: number)?.causer else { return }
        books.causers[causer]?.count -= 1
        if books.causers[causer]?.count == 0 { books.causers[causer] = nil }
    }

    fileprivate func waits(_ number: UInt64, since time: NIODeadline?) {
        books.withLock { $0.entries[number]?.waitsSince = time }
    }

    fileprivate func leave(_ number: UInt64) {
        books.withLock { books in
            guard let causer = books.entries[number]?.causer else { return }
            books.causers[causer]?.account.release(1)
            remove(number, from: &books)
        }
    }
}

/// A place for one unfinished handshake; it is given back with its last reference.
final class HandshakePlace {
    private let number: UInt64
    private let places: HandshakePlaces

    fileprivate init(number: UInt64, places: HandshakePlaces) {
        self.number = number
        self.places = places
    }

    deinit { places.leave(number) }

    /// The peer was answered, and it is to say something again.
    func waits(since time: NIODeadline) { places.waits(number, since: time) }

    /// The peer has shown its proof.
    func proofCame() { places.waits(number, since: nil) }
}
