internal import TypedSodium

/// Who holds how many places for tokens, and who may have more.
///
/// Half of all places are members': strangers never have more than the other half. Members count by key, strangers by
/// source address. Where places are short, a holder of at least twice what a newcomer would hold gives way to it.
///
/// ### Invariants
/// - What all hold is the sum of what each holds, at most ``TokenLimits/totalCount``; nobody holds more than
///   ``TokenLimits/sourceCount``.
struct TokenPlaces: Sendable {
    /// On whom tokens count.
    enum Holder: Hashable, Sendable {
        /// A member's key, wherever it connects from.
        case member(PublicKey)
        /// The source address of everybody else.
        case source(String)

        var isMember: Bool {
            guard case .member = self else { return false }
            return true
        }
    }

    /// Whether so many more may be held.
    enum Answer: Equatable {
        case yes
        case no
        /// As soon as this holder has given up so many.
        case insteadOf(Holder, count: Int)
    }

    /// The holders of one standing, by how many each holds, so that the largest is found at once.
    private struct Group {
        private(set) var count = 0
        private var holders: [Set<Holder>] = []

        mutating func change(_ holder: Holder, from former: Int, to count: Int) {
            self.count += count - former
            if former > 0 { holders[former].remove(holder) }
            if count > 0 {
                while holders.count <= count { holders.append([]) }
                holders[count].insert(holder)
            }
            while holders.last?.isEmpty == true { holders.removeLast() }
        }

        /// One of those that hold most, and how many.
        var largest: (holder: Holder, count: Int)? {
            holders.last?.first.map { ($0, holders.count - 1) }
        }
    }

    private let limits: TokenLimits
    private var counts: [Holder: Int] = [:]
    private var members = Group()
    private var others = Group()

    init(limits: TokenLimits) { self.limits = limits }

    /// How many are held in all.
    var count: Int { members.count + others.count }

    /// Whether a holder may hold so many more, none included.
    func mayHold(_ added: Int, _ holder: Holder) -> Answer {
        guard added > 0 else { return .yes }
        let wanted = counts[holder, default: 0] + added
        guard wanted <= limits.sourceCount else { return .no }
        var missing = count + added - limits.totalCount
        if !holder.isMember { missing = max(missing, others.count + added - limits.totalCount / 2) }
        guard missing > 0 else { return .yes }
        // Members first take back what strangers have beyond them.
        for group in holder.isMember ? [others, members] : [others] {
            guard let (largest, count) = group.largest, largest != holder, count >= 2 * wanted,
                count >= missing
            else { continue }
            return .insteadOf(largest, count: missing)
        }
        return .no
    }

    /// Counts more, or fewer.
    mutating func add(_ added: Int, to holder: Holder) {
        let former = counts[holder, default: 0]
        let count = former + added
        counts[holder] = count == 0 ? nil : count
        if holder.isMember {
            members.change(holder, from: former, to: count)
        } else {
            others.change(holder, from: former, to: count)
        }
    }
}
