internal import Blinding

/// Tokens and the number of who announced each: a hash table of some fifty bytes per token.
///
/// Entries stand in pages that never move, so an owner can keep their places instead of the tokens. The index is
/// hashed with the standard library's key of the process: nobody can choose tokens that meet in one bucket.
struct TokenTable: Sendable {
    private struct Entry {
        var token: PairToken
        var hash: UInt32
        var owner: UInt32
    }

    /// Where an entry stands.
    typealias Place = UInt32

    private static let pageShift = 10
    private static let pageSize = 1 << pageShift
    private static let fewestBuckets = 64

    private var pages: [[Entry]] = []
    private var free: [Place] = []
    /// Places plus one, or 0 where a bucket is empty; their count is a power of two.
    private var buckets: [UInt32] = []
    /// How many tokens there are.
    private(set) var count = 0

    /// Who announced a token.
    func owner(of token: PairToken) -> UInt32? {
        guard count > 0 else { return nil }
        let place = buckets[bucket(of: token, hash: Self.hash(token))]
        return place == 0 ? nil : self[place - 1].owner
    }

    /// Who announced the token at a place that is taken.
    func owner(at place: Place) -> UInt32 { self[place].owner }

    /// Gives a token to an owner, whoever had it; where it stands.
    mutating func give(_ token: PairToken, to owner: UInt32) -> Place {
        if (count + 1) * 4 > buckets.count * 3 { grow() }
        let hash = Self.hash(token)
        let bucket = bucket(of: token, hash: hash)
        if buckets[bucket] != 0 {
            let place = buckets[bucket] - 1
            self[place].owner = owner
            return place
        }
        let place = takePlace(for: Entry(token: token, hash: hash, owner: owner))
        buckets[bucket] = place + 1
        count += 1
        return place
    }

    /// Forgets the token at a place that is taken.
    mutating func remove(at place: Place) {
        clear(bucket(of: self[place].token, hash: self[place].hash))
        free.append(place)
        count -= 1
    }

    // MARK: Entries

    private subscript(place: Place) -> Entry {
        get { pages[Int(place) >> Self.pageShift][Int(place) & (Self.pageSize - 1)] }
        set { pages[Int(place) >> Self.pageShift][Int(place) & (Self.pageSize - 1)] = newValue }
    }

    private mutating func takePlace(for entry: Entry) -> Place {
        if let place = free.popLast() {
            self[place] = entry
            return place
        }
        if pages.last?.count ?? Self.pageSize == Self.pageSize {
            pages.append([])
            pages[pages.count - 1].reserveCapacity(Self.pageSize)
        }
        let page = pages.count - 1
        pages[page].append(entry)
        return Place(page << Self.pageShift + pages[page].count - 1)
    }

    // MARK: Buckets

    private static func hash(_ token: PairToken) -> UInt32 { UInt32(truncatingIfNeeded: token.hashValue) }

    /// The bucket where a token stands, or the empty one where it would.
    private func bucket(of token: PairToken, hash: UInt32) -> Int {
        let mask = buckets.count - 1
        var bucket = Int(hash) & mask
        while buckets[bucket] != 0 {
            let entry = self[buckets[bucket] - 1]
            if entry.hash == hash, entry.token == token { break }
            bucket = (bucket + 1) & mask
        }
        return bucket
    }

    /// Empties a bucket and moves up what stood behind it only because it was taken.
    private mutating func clear(_ bucket: Int) {
        let mask = buckets.count - 1
        var hole = bucket
        var next = (hole + 1) & mask
        while buckets[next] != 0 {
            let home = Int(self[buckets[next] - 1].hash) & mask
            if (next - home) & mask >= (next - hole) & mask {
                buckets[hole] = buckets[next]
                hole = next
            }
            next = (next + 1) & mask
        }
        buckets[hole] = 0
    }

    private mutating func grow() {
        let places = buckets.filter { $0 != 0 }
        buckets = Array(repeating: 0, count: max(Self.fewestBuckets, buckets.count * 2))
        let mask = buckets.count - 1
        for place in places {
            var bucket = Int(self[place - 1].hash) & mask
            while buckets[bucket] != 0 { bucket = (bucket + 1) & mask }
            buckets[bucket] = place
        }
    }
}
