internal import Blinding

/// Tokens and the numbers of those who announced each, the newest first: a hash table of some fifty bytes a token.
///
/// Entries stand in pages that never move, so an owner can keep their places instead of the tokens. Buckets are split
/// one by one as the table grows (linear hashing), so nothing is ever rehashed at once while others wait. Tokens are
/// hashed with the standard library's key of the process: nobody can choose tokens that meet in one bucket.
struct TokenTable: Sendable {
    private struct Entry {
        var token: PairToken
        var hash: UInt32
        var owner: Owner
        /// The next entry of the bucket, or of the free ones, plus one; 0 where there is none.
        var next: UInt32
    }

    /// Where an entry stands.
    typealias Place = UInt32
    /// Who announced a token.
    typealias Owner = UInt32

    /// What a newcomer to a token gets.
    enum Admission: Equatable {
        /// A place of its own.
        case added
        /// The place of a former announcer: its index among the owners, the newest of whom has 0.
        case inPlace(of: Int)
        /// None.
        case refused
    }

    private static let nobody = Owner.max

    private var entries = Pages<Entry>()
    /// The first entry of each bucket plus one, or 0.
    private var buckets = Pages<UInt32>()
    /// The greatest power of two that is not greater than the number of buckets.
    private var roundSize = 1
    private var firstFree: UInt32 = 0
    /// How many entries there are.
    private(set) var count = 0

    init() { buckets.append(0) }

    /// The numbers of those who announced a token, the newest first.
    func owners(of token: HashedToken) -> [Owner] { places(of: token).map { entries[Int($0)].owner } }

    /// Whose entry stands at a place; what nobody owns is free.
    func owns(_ owner: Owner, _ place: Place) -> Bool { entries[Int(place)].owner == owner }

    /// Gives a token to an owner, in front of the others; where it stands, if it found a place.
    ///
    /// Where others have announced the token too it is decided whether, and in whose place.
    mutating func give(
        _ token: HashedToken, to owner: Owner, admission: ([Owner]) -> Admission
    ) -> Place? {
        let present = places(of: token)
        switch present.isEmpty ? .added : admission(present.map { entries[Int($0)].owner }) {
        case .refused: return nil
        case .added: return add(token, of: owner)
        case .inPlace(let index):
            let place = present[index]
            unlink(place)
            entries[Int(place)].owner = owner
            link(place)
            return place
        }
    }

    /// Forgets the entry at a place that is taken.
    mutating func remove(at place: Place) {
        unlink(place)
        entries[Int(place)].owner = Self.nobody
        entries[Int(place)].next = firstFree
        firstFree = place + 1
        count -= 1
    }

    // MARK: Entries

    private func places(of token: HashedToken) -> [Place] {
        var places: [Place] = []
        var next = buckets[bucket(of: token.hash)]
        while next != 0 {
            let entry = entries[Int(next - 1)]
            if entry.hash == token.hash, entry.token == token.token { places.append(next - 1) }
            next = entry.next
        }
        return places
    }

    private mutating func add(_ token: HashedToken, of owner: Owner) -> Place {
        let entry = Entry(token: token.token, hash: token.hash, owner: owner, next: 0)
        let place: Place
        if firstFree != 0 {
            place = firstFree - 1
            firstFree = entries[Int(place)].next
            entries[Int(place)] = entry
        } else {
            place = Place(entries.count)
            entries.append(entry)
        }
        count += 1
        if count > buckets.count { split() }
        link(place)
        return place
    }

    // MARK: Buckets

    private func bucket(of hash: UInt32) -> Int {
        let bucket = Int(hash) & (2 * roundSize - 1)
        return bucket < buckets.count ? bucket : bucket - roundSize
    }

    private mutating func link(_ place: Place) {
        let bucket = bucket(of: entries[Int(place)].hash)
        entries[Int(place)].next = buckets[bucket]
        buckets[bucket] = place + 1
    }

    private mutating func unlink(_ place: Place) {
        let bucket = bucket(of: entries[Int(place)].hash)
        let next = entries[Int(place)].next
        guard buckets[bucket] != place + 1 else {
            buckets[bucket] = next
            return
        }
        var before = buckets[bucket]
        while before != 0, entries[Int(before - 1)].next != place + 1 {
            before = entries[Int(before - 1)].next
        }
        if before != 0 { entries[Int(before - 1)].next = next }
    }

    /// Adds a bucket, and moves there what belongs there of the one that it halves; the order stays.
    private mutating func split() {
        let halved = buckets.count - roundSize
        buckets.append(0)
        if buckets.count == 2 * roundSize { roundSize *= 2 }
        var moved: [Place] = []
        var next = buckets[halved]
        while next != 0 {
            moved.append(next - 1)
            next = entries[Int(next - 1)].next
        }
        buckets[halved] = 0
        for place in moved.reversed() { link(place) }
    }
}

/// A token with its hash, which takes longer to compute than to look up.
struct HashedToken: Equatable, Sendable {
    let token: PairToken
    let hash: UInt32

    init(_ token: PairToken) {
        self.token = token
        hash = UInt32(truncatingIfNeeded: token.hashValue)
    }
}

/// An array in pages: it grows without being copied.
private struct Pages<Element: Sendable>: Sendable {
    private static var shift: Int { 10 }
    private static var size: Int { 1 << shift }

    private var pages: [[Element]] = []
    private(set) var count = 0

    subscript(index: Int) -> Element {
        get { pages[index >> Self.shift][index & (Self.size - 1)] }
        set { pages[index >> Self.shift][index & (Self.size - 1)] = newValue }
    }

    mutating func append(_ element: Element) {
        if count & (Self.size - 1) == 0 {
            pages.append([])
            pages[pages.count - 1].reserveCapacity(Self.size)
        }
        pages[pages.count - 1].append(element)
        count += 1
    }
}
